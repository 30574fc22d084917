#include "sidecar/spool/scanner.h"

#include <algorithm>
#include <utility>

namespace pannier::spool {
namespace {

Offset area_end(const SegmentHeader& segment) { return segment.segment_bytes - kPageSize; }

Result<std::optional<BatchHeader>> batch_at(const File& file, const SegmentHeader& segment,
                                            Offset at) {
  std::array<std::byte, BatchHeader::kSize> bytes;
  auto got = file.read(at, bytes);
  if (!got) return got.error();
  auto header = BatchHeader::decode(ByteView(bytes).first(*got), at);
  const bool ours = header && header->number == segment.number && header->salt == segment.salt &&
                    std::uint64_t{at} + header->size <= area_end(segment);
  return ours ? header : std::nullopt;
}

// Walks a segment. Both passes are this walk with other eyes.
class Walk {
 public:
  using OnRecord = std::function<void(const Scanned&)>;

  Walk(const File& file, const SegmentHeader& segment, Offset known_end,
       std::shared_ptr<const SegmentKey> key, OnRecord on_record)
      : file_(file),
        segment_(segment),
        keys_(checksum_seed(segment.number, segment.salt), std::move(key)),
        end_(area_end(segment)),
        known_end_(std::min(known_end, end_)),
        on_record_(std::move(on_record)) {}

  Result<Survey> run() {
    Offset at = kPageSize;
    Offset gap_begin = 0;  // of pages that are no batch; 0: none
    while (at < end_) {
      auto header = batch_at(file_, segment_, at);
      if (!header) return header.error();
      if (!*header) {
        if (gap_begin == 0) gap_begin = at;
        at += kPageSize;
        continue;
      }
      if (gap_begin != 0)
        if (auto done = headless({gap_begin, at}); !done) return done.error();
      gap_begin = 0;
      survey_.synced = std::max(survey_.synced, (**header).synced);
      if (auto done = batch(at, **header); !done) return done.error();
      at = std::min(aligned(at + (**header).size, kPageSize), end_);
      survey_.data_end = at;
    }
    if (survey_.data_end < known_end_) {
      if (auto done = headless({survey_.data_end, known_end_}); !done) return done.error();
      survey_.data_end = known_end_;
    }
    return std::move(survey_);
  }

 private:
  // The records of one batch, which must fill it.
  Result<void> batch(Offset begin, const BatchHeader& header) {
    auto bytes = read(begin, header.size);
    if (!bytes) return bytes.error();
    starts_group_ = true;
    return records(*bytes, begin, static_cast<Offset>(BatchHeader::kSize), 0);
  }

  // Pages whose batch header is not whole, perhaps of several batches.
  Result<void> headless(Stretch pages) {
    auto bytes = read(pages.begin, pages.end - pages.begin);
    if (!bytes) return bytes.error();
    starts_group_ = false;
    return records(*bytes, pages.begin, 0, pages.begin);
  }

  // Whole records behind byte `from` of `bytes`. Where one is broken, looks for the next whole one.
  // `broken`: where a gap began that this goes on with; 0: none.
  Result<void> records(const Slice& bytes, Offset begin, Offset from, Offset broken) {
    Offset at = begin + from;
    const Offset end = begin + static_cast<Offset>(bytes.size());
    while (at < end) {
      const Slice rest = bytes.part(at - begin, end - at);
      const auto header = RecordHeader::decode(rest.view(), keys_.seed, at);
      if (!header || header->bytes_on_disk() > rest.size()) {
        if (broken == 0) broken = at;
        at += kRecordAlignment;
        // In a broken batch the first record stands behind the header, at the start of a page.
        starts_group_ = from == 0 && at % kPageSize == BatchHeader::kSize;
        continue;
      }
      auto record = parse_record(rest, keys_, at);
      if (!record && record.error().code == Errc::wrong_version) return record.error();
      const bool starts_group = starts_group_;
      starts_group_ = (header->flags & RecordHeader::kGroupGoesOn) == 0;
      if (!record) {
        if (broken == 0) broken = at;
        at += header->bytes_on_disk();
        continue;
      }
      if (broken != 0) note_gap({broken, at});
      broken = 0;
      on_record_({*record, at, std::exchange(after_gap_, false), starts_group});
      at += header->bytes_on_disk();
    }
    const bool in_headless = from == 0;
    if (broken != 0 && in_headless && is_padding(bytes.part(broken - begin, end - broken), broken))
      broken = 0;
    if (broken != 0) note_gap({broken, end});
    return {};
  }

  // Zeros between a batch's last record and the end of its page.
  static bool is_padding(const Slice& bytes, Offset at) {
    return at % kPageSize != 0 && at + bytes.size() <= aligned(at, kPageSize) &&
           std::ranges::all_of(bytes.view(), [](std::byte byte) { return byte == std::byte{0}; });
  }

  Result<Slice> read(Offset at, std::uint32_t size) const {
    auto owner = std::make_shared_for_overwrite<std::byte[]>(size);
    auto got = file_.read(at, {owner.get(), size});
    if (!got) return got.error();
    std::fill(owner.get() + *got, owner.get() + size, std::byte{0});
    return Slice(std::move(owner), 0, size);
  }

  void note_gap(Stretch gap) {
    survey_.gaps.push_back(gap);
    after_gap_ = true;
  }

  const File& file_;
  const SegmentHeader& segment_;
  RecordKeys keys_;
  Offset end_;
  Offset known_end_;
  OnRecord on_record_;
  Survey survey_;
  bool after_gap_ = false;
  bool starts_group_ = true;
};

}  // namespace

Result<Survey> survey(const File& file, const SegmentHeader& segment, Offset known_end,
                      std::shared_ptr<const SegmentKey> key) {
  return Walk(file, segment, known_end, std::move(key), [](const Scanned&) {}).run();
}

Result<void> replay(const File& file, const SegmentHeader& segment, Offset known_end, Offset cut,
                    const std::function<void(const Scanned&)>& visit,
                    std::shared_ptr<const SegmentKey> key) {
  const auto within = [&](const Scanned& found) {
    if (found.at + found.record.header.bytes_on_disk() <= cut) visit(found);
  };
  auto walked = Walk(file, segment, known_end, std::move(key), within).run();
  if (!walked) return walked.error();
  return {};
}

Result<Position> first_synced(const File& file, const SegmentHeader& segment) {
  auto header = batch_at(file, segment, kPageSize);
  if (!header) return header.error();
  return *header ? (**header).synced : Position{};
}

}  // namespace pannier::spool
