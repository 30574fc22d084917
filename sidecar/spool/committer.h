// Committer: carries batches of records from the loop thread to the disk, one write and one
// fdatasync a batch, and says when a batch is synced. This is where group commit happens: what
// gathers while one batch is being synced is the next.
//
// append(), flush() and the getters: loop thread. Writing and syncing: the executor `thread`, one
// job at a time, where records are encrypted too. on_synced is posted to the loop, in order. What a
// batch holds survives a crash once on_synced has named its commit or a later one; before that it
// may survive whole groups at a time, never a part. A failed write or sync is final: on_failed is
// called once, on the executor's thread, and nothing is ever reported as synced afterwards; the
// process is expected to end (decision 0004).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/executor.h"
#include "sidecar/spool/disk.h"
#include "sidecar/spool/format.h"
#include "sidecar/spool/segment_key.h"

namespace pannier::spool {

// Counts batches in the order in which they are synced. A group's commit is synced when
// synced_commit() has reached it.
using Commit = std::uint64_t;

// A record on its way to the journal. The payload is meta, head and body one after the other.
struct StagedRecord {
  RecordHeader header;  // sizes and type filled in, and the payload_crc unless it is encrypted
  Bytes meta;
  Slice head;
  Slice body;
  Offset offset = 0;  // set by append: where the record begins

  std::uint32_t bytes_on_disk() const { return header.bytes_on_disk(); }
};

struct SyncReport {
  Commit commit = 0;
  std::uint32_t records = 0;
  std::uint64_t bytes = 0;
  std::chrono::nanoseconds took{};  // write and fdatasync together
};

class Committer {
 public:
  struct Callbacks {
    std::function<void(const SyncReport&)> on_synced;
    std::function<void(const Error&)> on_failed;
  };
  static constexpr std::size_t kGatherMin = 4096;  // smaller bodies are copied into the batch

  // `kept` lives for as long as a job may still write: the lock of the folder.
  Committer(Executor& loop, Executor& thread, const Clock& clock, Callbacks callbacks,
            std::shared_ptr<void> kept = {});
  ~Committer();

  // Everything before is known to be synced: said by the first batch. Before the first flush.
  void start_at(Position synced);
  // Batches go to this segment from now on. Its header is written with the first of them.
  // With a key every record is encrypted; it was staged with the same.
  void open_segment(const SegmentHeader& header, std::shared_ptr<File> file,
                    std::shared_ptr<const SegmentKey> key = {});

  // Where the batch that is open would end if `bytes` of records were appended now, at worst.
  Offset end_after(std::uint32_t bytes) const;
  // Where the segment's last batch ends, on a page. Nothing is appended to the segment afterwards.
  Offset close_segment();

  // Puts one group behind what waits. All of it is kept after a crash, or none.
  Commit append(std::span<StagedRecord> group);
  // Wakes the thread, if anything waits.
  void flush();

  Commit last_commit() const { return last_commit_; }
  Commit synced_commit() const { return synced_commit_; }
  std::uint64_t waiting_bytes() const;

 private:
  struct Batch;
  struct Shared;
  Batch& open_batch(std::uint32_t first_ordinal);

  Executor& loop_;
  Executor& thread_;
  std::shared_ptr<Shared> shared_;

  // The segment that batches go to: loop thread.
  SegmentHeader segment_;
  std::shared_ptr<File> file_;
  RecordKeys keys_;
  bool header_due_ = false;
  Offset end_ = 0;  // of the last batch, before rounding up to a page
  Commit last_commit_ = 0;
  Commit synced_commit_ = 0;
};

}  // namespace pannier::spool
