// PushMarks: which messages of other agents were taken and are not known to be forgotten by whoever
// pushed them, so that one that is sent again is dropped (docs/decisions/0011-pushes.md).
//
// A mark is kept for each queue of ours, pusher's spool and pusher's number of the queue. It is
// journaled whole, in the group of the messages that it grows by; what it shrinks by follows with
// the next such group, or within kMarkDelay. A sequence is in a mark only if its message is in the
// same group, or was in an earlier one: so a mark never drops what was not taken.
//
// Limited by PushMarkLimits. A mark with holes beyond ranges_per_mark takes no more: the message
// stays with its pusher. With too many marks, or ranges in all, the one that was touched least
// lately gives way, and is logged: most likely its pusher never comes back, and a double is better
// than a message that nobody takes. Owned by Registry; loop thread. Survives restarts.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "common/clock.h"
#include "sidecar/spool/spool.h"

namespace pannier::queue {

// A mark is written in whole: one at its limit has 32 KiB. Twice the window of a push, however its
// messages are scattered: what a crash of the pusher has left behind, and a window that is full.
struct PushMarkLimits {
  std::size_t ranges_per_mark = 2'048;
  std::size_t marks = 4'096;
  std::size_t ranges = 65'536;  // in all: 1 MiB
};

inline constexpr std::chrono::seconds kMarkDelay{1};

// Whose messages: those of a spool's queue, by its number there, for a queue of ours.
struct PushSource {
  spool::QueueId queue = 0;  // ours
  spool::Uuid spool{};
  std::uint32_t number = 0;
  auto operator<=>(const PushSource&) const = default;
};

// Sequences as ranges that do not touch each other. A value.
class SequenceRanges {
 public:
  using Sequence = spool::Sequence;
  struct Range {
    Sequence first = 0;
    Sequence last = 0;
    bool operator==(const Range&) const = default;
  };

  bool contains(Sequence sequence) const;
  // False: it is there already.
  bool insert(Sequence sequence);
  bool erase(Sequence sequence);
  // All that are less. False: none is.
  bool erase_below(Sequence floor);
  bool empty() const { return ranges_.empty(); }
  std::size_t size() const { return ranges_.size(); }  // ranges
  const std::vector<Range>& ranges() const { return ranges_; }

  Bytes encode() const;  // first u64 | last u64, ascending
  static Result<SequenceRanges> decode(ByteView value);

 private:
  std::vector<Range>::iterator at_or_after(Sequence sequence);

  std::vector<Range> ranges_;
};

class PushMarks {
 public:
  PushMarks(spool::Spool& spool, const Clock& clock, const PushMarkLimits& limits = {});

  // Marks of the last run; those of queues that are gone are erased.
  void recover();

  bool holds(const PushSource& source, spool::Sequence sequence) const;
  // Once it is synced, so is all that the mark holds.
  spool::Commit commit_of(const PushSource& source) const;
  std::size_t marks() const { return marks_.size(); }
  std::size_t ranges() const { return ranges_; }

  // What a group adds to a mark: made, filled and put into the group; counts once that is appended
  // and apply() is called, and is dropped otherwise.
  class Growth {
   public:
    bool holds(spool::Sequence sequence) const { return ranges_.contains(sequence); }
    // False: the mark has too many ranges.
    bool add(spool::Sequence sequence);

   private:
    friend class PushMarks;
    PushSource source_;
    SequenceRanges ranges_;
    std::size_t ranges_max_ = 0;
    std::vector<PushSource> evicted_;
  };
  Growth grow(const PushSource& source) const;
  void put(spool::Group& group, Growth& growth) const;
  void apply(Growth growth, spool::Commit commit);

  // Never come again.
  void forget(const PushSource& source, std::span<const spool::Sequence> sequences);
  void forget_below(const PushSource& source, spool::Sequence floor);

  // A queue of ours goes: its marks go in the same group, and from here once that is appended.
  void put_drop(spool::Group& group, spool::QueueId queue) const;
  void drop(spool::QueueId queue);

  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const { return journal_at_; }

 private:
  struct Mark {
    SequenceRanges ranges;  // empty: it is still to be erased
    spool::Commit commit = 0;
    std::uint64_t touched = 0;
  };
  using Marks = std::map<PushSource, Mark>;

  template <typename Change>
  void shrink(const PushSource& source, Change&& change);
  std::pair<Marks::const_iterator, Marks::const_iterator> of_queue(spool::QueueId queue) const;
  void forget_mark(const PushSource& source);

  spool::Spool& spool_;
  const Clock& clock_;
  const PushMarkLimits limits_;
  Marks marks_;
  std::size_t ranges_ = 0;
  std::set<PushSource> shrunk_;  // since they were journaled
  std::optional<Clock::time_point> journal_at_;
  std::uint64_t last_touch_ = 0;
};

}  // namespace pannier::queue
