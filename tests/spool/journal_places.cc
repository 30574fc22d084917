#include "tests/spool/journal_places.h"

#include <algorithm>

#include "sidecar/spool/segment_files.h"

namespace pannier::spool {
namespace {

class Reader {
 public:
  Reader(const MemoryDisk& disk, const std::string& file)
      : bytes_(disk.content(file)), file_(file) {}

  std::vector<JournalPlace> run() {
    const auto header = SegmentHeader::decode(bytes_);
    if (!header || bytes_.size() < 2 * kPageSize) return {};
    segment_ = *header;
    const auto trailer = SegmentTrailer::decode(ByteView(bytes_).last(kPageSize));
    sealed_ = trailer && trailer->header.salt == segment_.salt;
    add(PlaceKind::segment_header, {}, 0, SegmentHeader::kSize);
    Offset at = kPageSize;
    while (at + kPageSize < bytes_.size() && batch(at)) {}
    if (places_.size() == 1) return {};
    if (!sealed_) return places_;
    batch_ = 0;
    for (Offset index = trailer->data_end; index < trailer->core_offset + trailer->core_bytes;)
      index += record(index);
    add(PlaceKind::trailer, {}, static_cast<Offset>(bytes_.size()) - kPageSize,
        SegmentTrailer::kSize);
    return places_;
  }

 private:
  bool batch(Offset& at) {
    const auto header = BatchHeader::decode(ByteView(bytes_).subspan(at), at);
    if (!header || header->number != segment_.number || header->salt != segment_.salt) return false;
    batch_ = at;
    add(PlaceKind::batch_header, {}, at, BatchHeader::kSize);
    Offset next = at + static_cast<Offset>(BatchHeader::kSize);
    while (next < at + header->size) next += record(next);
    at = aligned(next, kPageSize);
    return true;
  }

  std::uint32_t record(Offset at) {
    const std::uint32_t seed = checksum_seed(segment_.number, segment_.salt);
    const auto header = RecordHeader::decode(ByteView(bytes_).subspan(at), seed, at);
    if (!header) return kPageSize;
    add(PlaceKind::record_header, header->type, at, RecordHeader::kSize);
    places_.back().header = *header;
    add(PlaceKind::payload, header->type, at + static_cast<Offset>(RecordHeader::kSize),
        header->stored);
    places_.back().header = *header;
    return header->bytes_on_disk();
  }

  void add(PlaceKind kind, RecordType type, Offset at, std::size_t size) {
    places_.push_back({file_,
                       segment_.number,
                       kind,
                       type,
                       at,
                       static_cast<std::uint32_t>(size),
                       batch_,
                       sealed_,
                       {}});
  }

  Bytes bytes_;
  std::string file_;
  SegmentHeader segment_;
  std::vector<JournalPlace> places_;
  Offset batch_ = 0;
  bool sealed_ = false;
};

std::string_view name_of(RecordType type) {
  switch (type) {
    case RecordType::message: return "message";
    case RecordType::part: return "part";
    case RecordType::settle: return "settle";
    case RecordType::state: return "state";
    case RecordType::run: return "run";
    case RecordType::core: return "core";
  }
  return "?";
}

}  // namespace

std::vector<JournalPlace> places_in(const MemoryDisk& disk, const std::string& file) {
  return Reader(disk, file).run();
}

std::vector<JournalPlace> places_in(const MemoryDisk& disk) {
  std::vector<JournalPlace> all;
  const auto files = disk.list();
  for (const FileInfo& info : *files) {
    if (!SegmentFiles::is_segment_name(info.name)) continue;
    for (JournalPlace& place : places_in(disk, info.name)) all.push_back(std::move(place));
  }
  std::ranges::stable_sort(all, {}, &JournalPlace::segment);
  return all;
}

std::string text_of(const JournalPlace& place) {
  std::string text =
      place.file + " " + std::to_string(place.offset) + (place.is_sealed ? " (sealed): " : ": ");
  switch (place.kind) {
    case PlaceKind::segment_header: return text + "segment header";
    case PlaceKind::batch_header: return text + "batch header";
    case PlaceKind::record_header: return text + "header of a " + std::string(name_of(place.type));
    case PlaceKind::payload: return text + "payload of a " + std::string(name_of(place.type));
    case PlaceKind::trailer: return text + "trailer";
  }
  return text;
}

}  // namespace pannier::spool
