// Bodies: large bodies that were journaled in parts: where each part lies, and who still needs it.
//
// A body is unfinished from begin() until its message is journaled, then belongs to that message's
// entries, and is dead when the last of them is settled; a dead body's parts are dead bytes in their
// segments. Unfinished bodies do not survive a restart. Owned by Spool; loop thread.
#pragma once

#include <unordered_map>
#include <vector>

#include "sidecar/spool/index.h"

namespace pannier::spool {

class Bodies {
 public:
  struct Part {
    SegmentNumber segment = 0;
    Offset offset = 0;
    std::uint32_t record_bytes = 0;
  };
  struct Body {
    std::vector<Part> parts;
    std::uint64_t bytes = 0;        // of the body, in its parts so far
    std::uint32_t entries = 0;      // live entries of its message
    bool finished = false;
  };

  explicit Bodies(Index& index) : index_(index) {}

  Body& begin(BodyId id) { return bodies_[id]; }
  Body* find(BodyId id);
  // The part is alive and lies just there.
  bool lies_at(BodyId id, std::uint32_t index, SegmentNumber segment, Offset offset) const;
  // Its place, new or after compaction; takes the bytes off the old place.
  void place(BodyId id, std::uint32_t index, const Part& part);
  void finish(BodyId id, std::uint32_t entries, Position message);
  // One entry of the message that stands at `message` is settled.
  void settle_entry(Position message, std::uint32_t entries = 1);
  void move_message(Position from, Position to, std::uint32_t entries);
  void drop(BodyId id);

  bool has_message(Position message) const { return by_message_.contains(message); }
  std::uint64_t unfinished_bytes() const { return unfinished_bytes_; }
  void add_unfinished(std::int64_t bytes) {
    unfinished_bytes_ += static_cast<std::uint64_t>(bytes);
  }
  std::size_t size() const { return bodies_.size(); }

 private:
  struct PositionHash {
    std::size_t operator()(const Position& at) const {
      return std::hash<std::uint64_t>()(at.segment * 0x9E3779B97F4A7C15u ^ at.offset);
    }
  };

  Index& index_;
  std::unordered_map<BodyId, Body> bodies_;
  std::unordered_map<Position, BodyId, PositionHash> by_message_;
  std::uint64_t unfinished_bytes_ = 0;
};

}  // namespace pannier::spool
