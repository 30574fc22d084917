// Segment: what the spool knows in memory about one segment of its journal.
//
// Its runs (entries by queue and priority), which entries are settled or changed, its live bytes,
// and what other segments it speaks of. Runs are resident while the segment is open or being
// sealed; of a sealed one only the counts stay and entries are paged in from the footer
// (run_cache.h). Owned by Index; loop thread. Does no I/O: the file is only kept here for those who
// do.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sidecar/spool/changes.h"
#include "sidecar/spool/disk.h"
#include "sidecar/spool/footer.h"
#include "sidecar/spool/segment_key.h"

namespace pannier::spool {

struct SegmentFile {
  std::string name;
  std::shared_ptr<File> file;
};

struct Run {
  RunInfo info;
  std::uint32_t live = 0;
  std::uint64_t live_share_bytes = 0;
  std::uint64_t live_message_bytes = 0;
  std::vector<Entry> resident;  // empty when it has to be paged in from the footer
  bool in_order = true;         // resident is sorted by sequence
  bool changed_due = false;     // an entry was given a due that its record does not have

  // Resident entries by sequence; sorts what compaction appended out of order.
  const std::vector<Entry>& ordered();
};

class Segment {
 public:
  enum class State : std::uint8_t {
    open,     // the journal appends to it
    closed,   // full; its last batches may still be unsynced
    sealing,  // its footer is being written
    sealed,   // its footer is synced; entries are no longer resident
    leaving,  // what it alone says is being written again; its file is free once that is synced
  };

  Segment(const SegmentHeader& header, SegmentFile file,
          std::shared_ptr<const SegmentKey> key = {});

  SegmentNumber number() const { return header_.number; }
  const SegmentHeader& header() const { return header_; }
  std::uint32_t seed() const { return keys_.seed; }
  const RecordKeys& keys() const { return keys_; }
  const SegmentFile& file() const { return file_; }

  State state = State::open;
  Offset data_end = kPageSize;  // known once closed
  std::uint32_t entries = 0;    // the next ordinal
  // Entries in the hands of queues, by this place. An entry that is in hands more than once (it was
  // fetched by its lane and by its time) is counted for each: a settle or a release takes one off.
  std::uint32_t outstanding = 0;
  std::uint32_t readers = 0;         // reads in flight on its file
  bool is_damaged = false;           // its index cannot be read: it stays as it is
  std::uint64_t moved_in_bytes = 0;  // records that compaction has copied here
  std::uint64_t part_bytes = 0;      // live parts on disk
  std::uint64_t said_bytes = 0;      // nothing is alive, but this much would be written again: kept
  std::uint64_t said_at = 0;         // by which count of sealed segments that was found

  // Adds an entry of this segment; its ordinal must be the next or beyond (recovery skips lost
  // ones).
  void add(const Entry& entry);
  // Adds a run whose entries are in the footer, all of them live.
  void add_sealed(const RunInfo& info);

  bool is_settled(Ordinal ordinal) const;
  // Marks it and takes it off the counts. False if it was settled before.
  bool settle(const Entry& entry);
  // Marks only: recovery counts afterwards.
  void mark_settled(OrdinalRange range);
  // How it stands from now on. Nothing for one that is settled.
  void change_to(const Entry& now);
  // From a record, which does not say whose it is: recovery sees to its run.
  void change(const Change& change) {
    if (!is_settled(change.ordinal)) changes_.put(change);
  }
  std::optional<Change> changed(Ordinal ordinal) const { return changes_.find(ordinal); }
  // The entry as it stands now: with its change, if it has one.
  Entry current(Entry entry) const;

  Run* find(Lane lane);
  const Run* find(Lane lane) const { return const_cast<Segment*>(this)->find(lane); }
  std::vector<Run>& runs() { return runs_; }
  const std::vector<Run>& runs() const { return runs_; }
  std::uint64_t live_entries() const { return live_entries_; }
  std::uint64_t live_bytes() const { return live_share_bytes_ + part_bytes; }
  // Takes everything of the lane off the counts but what `kept` says is left.
  void drop(Run& run, std::uint32_t kept, std::uint64_t kept_share, std::uint64_t kept_message);

  // Index entries that the footer will hold beside the runs.
  std::map<SegmentNumber, SettleTarget> settles;                  // until sealed
  std::map<std::pair<StateKind, std::string>, StateItem> states;  // until sealed; latest of each
  std::vector<PartInfo> parts;
  std::vector<BodyInfo> bodies;
  // Segments that this one settles entries of; their settles are lost with it unless written again.
  std::vector<SegmentNumber> settles_of;
  std::uint64_t footer_bytes() const;  // an upper bound of the footer's size so far
  void note_settles(const SettleTarget& target);
  void note_state(const StateItem& item);

  // What is settled and changed here, for a snapshot state item, and back.
  SettleTarget snapshot() const;
  // Ordinals of `of`, a bitmap of entries of this segment, that are not settled.
  std::uint64_t count_unsettled(const std::vector<std::uint64_t>& of) const;
  bool has_settled() const { return settled_count_ > 0 || !changes_.empty(); }

  // Sorts runs by lane and their entries by sequence, before the footer is written.
  void sort_runs();
  // Lets go of what only the footer needed.
  void become_sealed();

 private:
  Run& run_for(Lane lane);

  SegmentHeader header_;
  SegmentFile file_;
  RecordKeys keys_;
  std::vector<Run> runs_;
  std::unordered_map<std::uint64_t, std::uint32_t> run_at_;  // lane to index, until sorted
  std::vector<std::uint64_t> settled_;
  std::uint64_t settled_count_ = 0;
  Changes changes_;
  std::uint64_t live_entries_ = 0;
  std::uint64_t live_share_bytes_ = 0;
  std::uint64_t index_bytes_ = 0;  // settles and states so far
};

}  // namespace pannier::spool
