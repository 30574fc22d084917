#include "sidecar/spool/committer.h"

#include <array>
#include <cassert>
#include <deque>
#include <utility>

#include "sidecar/spool/record_io.h"

namespace pannier::spool {

struct Committer::Batch {
  // A run of bytes: out of the arena, or out of a slice that is too large to copy.
  struct Piece {
    std::size_t at = 0;
    std::size_t size = 0;
    Slice slice;  // empty: the arena
  };

  // A record that is encrypted when the batch is written.
  struct Open {
    RecordHeader header;
    Offset at = 0;
    Bytes meta;
    Slice head;
    Slice body;
  };

  Commit commit = 0;
  SegmentHeader segment;
  RecordKeys keys;
  std::shared_ptr<File> file;
  bool with_header = false;
  Offset at = 0;
  BatchHeader header;
  Bytes arena;
  std::vector<Piece> pieces;
  std::vector<Open> open;

  std::uint32_t size() const { return header.size; }
  Offset end() const { return at + header.size; }

  std::byte* grow(std::size_t size) {
    const std::size_t at_byte = arena.size();
    arena.resize(at_byte + size);
    if (pieces.empty() || !pieces.back().slice.empty()) pieces.push_back({at_byte, 0, {}});
    pieces.back().size += size;
    return arena.data() + at_byte;
  }
  void put(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(grow(bytes.size()), bytes.data(), bytes.size());
  }
  void put(const Slice& slice) {
    if (slice.size() < kGatherMin)
      put(slice.view());
    else
      pieces.push_back({0, slice.size(), slice});
  }

  void put(StagedRecord& record) {
    record.offset = end();
    if (keys.key)
      open.push_back({record.header, record.offset, std::move(record.meta), std::move(record.head),
                      std::move(record.body)});
    else
      put_plain(record);
    header.size += record.bytes_on_disk();
    ++header.records;
  }

  void put_plain(const StagedRecord& record) {
    record.header.encode(grow(RecordHeader::kSize), keys.seed, record.offset);
    put(record.meta);
    put(record.head);
    put(record.body);
    const std::uint32_t on_disk = record.bytes_on_disk();
    const auto written =
        RecordHeader::kSize + record.meta.size() + record.head.size() + record.body.size();
    if (on_disk > written) grow(on_disk - written);
  }

  // Encrypts what is to be; nothing of it is on the way to the disk before.
  void seal() {
    if (!keys.key) return;
    arena.resize(size());  // zeros, where there is padding
    pieces.assign(1, {0, arena.size(), {}});
    for (Open& record : open) {
      const std::array<ByteView, 3> payload{record.meta, record.head.view(), record.body.view()};
      write_record(record.header, payload, keys, record.at, arena.data() + (record.at - at));
    }
    open.clear();
  }

  std::vector<ByteView> gather() const {
    std::vector<ByteView> views;
    views.reserve(pieces.size());
    for (const Piece& piece : pieces)
      views.push_back(piece.slice.empty() ? ByteView(arena).subspan(piece.at, piece.size)
                                          : piece.slice.view());
    return views;
  }
};

// What both threads touch. The loop appends while the thread takes: under the mutex.
struct Committer::Shared {
  Shared(Executor& on, const Clock& with, Callbacks with_callbacks)
      : loop(on), clock(with), callbacks(std::move(with_callbacks)) {}

  Executor& loop;
  const Clock& clock;
  Callbacks callbacks;

  mutable std::mutex mutex;
  std::deque<Batch> waiting;        // guarded by mutex
  Bytes spare_arena;                // guarded by mutex; the last batch's memory, for the next
  std::uint64_t waiting_bytes = 0;  // guarded by mutex
  bool running = false;             // guarded by mutex: a job is posted or at work
  Position synced;                  // the thread's own
  bool failed = false;              // the thread's own
  std::shared_ptr<void> kept;
  Committer* owner = nullptr;  // loop thread; null once the committer is gone

  std::optional<Batch> take() {
    const std::lock_guard lock(mutex);
    if (waiting.empty() || failed) {
      running = false;
      return {};
    }
    Batch batch = std::move(waiting.front());
    waiting.pop_front();
    waiting_bytes -= batch.size();
    return batch;
  }

  void give_back(Bytes arena) {
    constexpr std::size_t kArenaKept = 1u << 20;
    if (arena.capacity() > kArenaKept) return;
    arena.clear();
    const std::lock_guard lock(mutex);
    spare_arena = std::move(arena);
  }
};

namespace {

Result<void> write_segment_header(const SegmentHeader& header, File& file) {
  std::array<std::byte, kPageSize> page{};
  header.encode(page.data());
  const ByteView view(page);
  return file.write(0, {&view, 1});
}

}  // namespace

Committer::Committer(Executor& loop, Executor& thread, const Clock& clock, Callbacks callbacks,
                     std::shared_ptr<void> kept)
    : loop_(loop),
      thread_(thread),
      shared_(std::make_shared<Shared>(loop, clock, std::move(callbacks))) {
  shared_->owner = this;
  shared_->kept = std::move(kept);
}

Committer::~Committer() { shared_->owner = nullptr; }

void Committer::start_at(Position synced) { shared_->synced = synced; }

void Committer::open_segment(const SegmentHeader& header, std::shared_ptr<File> file,
                             std::shared_ptr<const SegmentKey> key) {
  segment_ = header;
  file_ = std::move(file);
  keys_ = {checksum_seed(header.number, header.salt), std::move(key)};
  header_due_ = true;
  end_ = kPageSize;
}

Offset Committer::end_after(std::uint32_t bytes) const {
  const auto header = static_cast<std::uint32_t>(BatchHeader::kSize);
  return aligned(aligned(end_, kPageSize) + header + bytes, kPageSize);
}

Offset Committer::close_segment() {
  file_ = nullptr;
  return aligned(end_, kPageSize);
}

Committer::Batch& Committer::open_batch(std::uint32_t first_ordinal) {
  if (!shared_->waiting.empty() && shared_->waiting.back().file == file_)
    return shared_->waiting.back();
  Batch& batch = shared_->waiting.emplace_back();
  batch.commit = ++last_commit_;
  batch.segment = segment_;
  batch.keys = keys_;
  batch.file = file_;
  batch.with_header = std::exchange(header_due_, false);
  batch.at = aligned(end_, kPageSize);
  batch.arena = std::move(shared_->spare_arena);
  batch.arena.clear();
  batch.header.number = segment_.number;
  batch.header.salt = segment_.salt;
  batch.header.first_ordinal = first_ordinal;
  batch.header.size = BatchHeader::kSize;
  batch.grow(BatchHeader::kSize);
  shared_->waiting_bytes += BatchHeader::kSize;
  return batch;
}

Commit Committer::append(std::span<StagedRecord> group) {
  assert(file_ != nullptr && !group.empty());
  const std::lock_guard lock(shared_->mutex);
  Batch& batch = open_batch(group.front().header.first_ordinal);
  const std::uint32_t size_before = batch.size();
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i].header.flags = i + 1 < group.size() ? RecordHeader::kGroupGoesOn : std::uint8_t{0};
    batch.put(group[i]);
  }
  shared_->waiting_bytes += batch.size() - size_before;
  end_ = batch.end();
  return batch.commit;
}

std::uint64_t Committer::waiting_bytes() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->waiting_bytes;
}

namespace {

// Pads to whole pages: what lies on a page is then always written at once.
ByteView padding_after(std::uint32_t size) {
  static constexpr std::array<std::byte, kPageSize> kZeros{};
  return ByteView(kZeros).first(aligned(size, kPageSize) - size);
}

}  // namespace

void Committer::flush() {
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->running || shared_->waiting.empty()) return;
    shared_->running = true;
  }
  thread_.post([shared = shared_] {
    while (auto batch = shared->take()) {
      const auto started = shared->clock.now();
      batch->seal();
      batch->header.synced = shared->synced;
      batch->header.written_ms = shared->clock.now_ms();
      batch->header.encode(batch->arena.data(), batch->at);
      std::vector<ByteView> views = batch->gather();
      if (const ByteView zeros = padding_after(batch->size()); !zeros.empty())
        views.push_back(zeros);
      Result<void> done;
      if (batch->with_header) done = write_segment_header(batch->segment, *batch->file);
      if (done) done = batch->file->write(batch->at, views);
      if (done) done = batch->file->sync();
      if (!done) {
        shared->failed = true;
        shared->callbacks.on_failed(done.error());
        continue;  // take() ends the loop
      }
      shared->synced = {batch->segment.number, aligned(batch->end(), kPageSize)};
      const SyncReport report{batch->commit, batch->header.records, batch->size(),
                              shared->clock.now() - started};
      shared->give_back(std::move(batch->arena));
      shared->loop.post([shared, report] {
        if (shared->owner == nullptr) return;
        shared->owner->synced_commit_ = report.commit;
        shared->callbacks.on_synced(report);
      });
    }
  });
}

}  // namespace pannier::spool
