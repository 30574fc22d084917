// CompactionGroup: the copies of some records of an old segment and the settles of their old
// places, as one group of the journal.
//
// Lives for one chunk of the Compactor, on the loop thread. There must be room in the journal.
#pragma once

#include <optional>
#include <vector>

#include "sidecar/spool/spool_impl.h"

namespace pannier::spool {

class CompactionGroup {
 public:
  CompactionGroup(Spool::Impl& spool, SegmentNumber victim);

  // With those of its entries that are still alive, as they stand now; nothing if none is.
  void copy_message(const StoredRecord& record, const std::vector<Entry>& entries);
  void copy_part(const StoredRecord& record, Offset at);
  // The record cannot be read: its entries, or the part of a body, are lost.
  void lose(const std::vector<Entry>& entries, Stretch record, const Error& why);

  // Nothing if there was nothing left to copy.
  std::optional<Commit> append();
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Copy {
    MessageMeta meta;        // with the targets that are left
    std::vector<Entry> old;  // one per target
    BodyId part_of = 0;      // a part: of this body
    std::uint32_t part_index = 0;
  };
  void apply_message(const Copy& copy, const StagedRecord& record);

  Spool::Impl& spool_;
  SegmentNumber victim_;
  std::vector<Copy> copies_;
  std::vector<StagedRecord> staged_;
  std::vector<Ordinal> settled_;
  std::vector<Entry> lost_;
  std::uint64_t bytes_ = 0;
};

}  // namespace pannier::spool
