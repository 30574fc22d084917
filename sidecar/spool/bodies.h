// Bodies: large bodies that were journaled in parts: where each part lies, and who still needs it.
//
// A body is unfinished from begin() until its first message is journaled. Others may be journaled
// with it as long as it is alive: a dead letter has the body of what it was. It belongs to the
// entries of all of them, and is dead when the last is settled; a dead body's parts are dead bytes
// in their segments. Unfinished bodies do not survive a restart. Owned by Spool; loop thread.
#pragma once

#include <unordered_map>
#include <vector>

#include "sidecar/spool/index.h"

namespace pannier::spool {

class Bodies {
 public:
  // A live entry of a message.
  struct Reader {
    QueueId queue = 0;
    Sequence sequence = 0;
    bool operator==(const Reader&) const = default;
  };
  struct Part {
    SegmentNumber segment = 0;
    Offset offset = 0;
    std::uint32_t record_bytes = 0;
  };
  struct Message {
    Position at;  // its record
    std::vector<Reader> readers;
  };
  struct Body {
    std::vector<Part> parts;
    std::uint64_t bytes = 0;        // of the body, in its parts so far
    Codec codec = Codec::none;      // of parts that are still to come
    std::vector<Message> messages;  // with live entries; none: it is unfinished
    bool is_finished() const { return !messages.empty(); }
  };

  explicit Bodies(Index& index) : index_(index) {}

  Body& begin(BodyId id) { return bodies_[id]; }
  Body* find(BodyId id);
  // The part is alive and lies just there.
  bool lies_at(BodyId id, std::uint32_t index, SegmentNumber segment, Offset offset) const;
  // Its place, new or after compaction; takes the bytes off the old place.
  void place(BodyId id, std::uint32_t index, const Part& part);
  // What lies there cannot be read and goes with its segment; its body is never whole again.
  void lose_part(SegmentNumber segment, Offset offset);
  // A message with this body was journaled, the first one or another.
  void add_message(BodyId id, Message message);
  // An entry of a message, in parts or not, is settled: by its place of now.
  void settle(const Entry& entry);
  void move_message(Position from, Position to);
  // Ready messages of the queue up to there are gone, but for those that `queue` keeps.
  void purge(QueueId id, const QueueState* queue);
  // No message will come for it. Nothing if one has.
  void abort(BodyId id);

  std::uint64_t unfinished_bytes() const { return unfinished_bytes_; }
  void add_unfinished(std::int64_t bytes) {
    unfinished_bytes_ += static_cast<std::uint64_t>(bytes);
  }
  std::size_t size() const { return bodies_.size(); }

 private:
  using Held = std::unordered_map<BodyId, Body>::iterator;
  void drop(Held body);

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
