#include "sidecar/spool/scanner.h"

#include <algorithm>

namespace pannier::spool {
namespace {

// Walks a segment. Both passes are this walk with other eyes.
class Walk {
 public:
  using OnRecord = std::function<void(const StoredRecord&, Offset, bool after_gap)>;

  Walk(const File& file, const SegmentHeader& segment, Offset end, OnRecord on_record)
      : file_(file),
        segment_(segment),
        seed_(checksum_seed(segment.number, segment.salt)),
        end_(end),
        on_record_(std::move(on_record)) {}

  Result<Survey> run() {
    Offset at = kPageSize;
    Offset gap_begin = 0;  // of pages that are no batch; 0: none
    while (at < end_) {
      auto header = batch_at(at);
      if (!header) return header.error();
      if (!*header) {
        if (gap_begin == 0) gap_begin = at;
        at += kPageSize;
        continue;
      }
      if (gap_begin != 0) note_gap({gap_begin, at});
      gap_begin = 0;
      survey_.batches.push_back(at);
      survey_.synced = std::max(survey_.synced, (**header).synced);
      if (auto done = batch(at, **header); !done) return done.error();
      at = std::min(aligned(at + (**header).size, kPageSize), end_);
      survey_.data_end = at;
    }
    return std::move(survey_);
  }

 private:
  Result<std::optional<BatchHeader>> batch_at(Offset at) {
    std::array<std::byte, BatchHeader::kSize> bytes;
    auto got = file_.read(at, bytes);
    if (!got) return got.error();
    auto header = BatchHeader::decode(ByteView(bytes).first(*got), at);
    const bool ours = header && header->number == segment_.number &&
                      header->salt == segment_.salt && at + header->size <= end_;
    return ours ? header : std::nullopt;
  }

  // The records of one batch, which must fill it. Where one is broken, looks for the next whole one.
  Result<void> batch(Offset begin, const BatchHeader& header) {
    auto bytes = read(begin, header.size);
    if (!bytes) return bytes.error();
    Offset at = begin + static_cast<Offset>(BatchHeader::kSize);
    const Offset end = begin + header.size;
    Offset broken = 0;
    while (at < end) {
      const Slice rest = bytes->part(at - begin, end - at);
      auto record = parse_record(rest, seed_, at);
      if (!record && record.error().code == Errc::wrong_version) return record.error();
      if (!record) {
        if (broken == 0) broken = at;
        at += step_over(rest, at);
        continue;
      }
      if (broken != 0) note_gap({broken, at});
      broken = 0;
      ++survey_.records;
      on_record_(*record, at, std::exchange(after_gap_, false));
      at += record->header.bytes_on_disk();
    }
    if (broken != 0) note_gap({broken, end});
    return {};
  }

  // From a broken record to where the next may begin: past its payload if its header is whole.
  Offset step_over(const Slice& rest, Offset at) const {
    const auto header = RecordHeader::decode(rest.view(), seed_, at);
    if (header && header->bytes_on_disk() <= rest.size()) return header->bytes_on_disk();
    return kRecordAlignment;
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
  std::uint32_t seed_;
  Offset end_;
  OnRecord on_record_;
  Survey survey_;
  bool after_gap_ = false;
};

Offset area_end(const SegmentHeader& segment) { return segment.segment_bytes - kPageSize; }

}  // namespace

Result<Survey> survey(const File& file, const SegmentHeader& segment) {
  return Walk(file, segment, area_end(segment), [](const auto&, Offset, bool) {}).run();
}

Result<void> replay(
    const File& file, const SegmentHeader& segment, Offset cut,
    const std::function<void(const StoredRecord&, Offset at, bool after_gap)>& visit) {
  const auto within = [&](const StoredRecord& record, Offset at, bool after_gap) {
    if (at + record.header.bytes_on_disk() <= cut) visit(record, at, after_gap);
  };
  auto walked = Walk(file, segment, area_end(segment), within).run();
  if (!walked) return walked.error();
  return {};
}

}  // namespace pannier::spool
