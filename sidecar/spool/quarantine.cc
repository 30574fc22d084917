#include "sidecar/spool/quarantine.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/log.h"

namespace pannier::spool {
namespace {

constexpr std::string_view kPrefix = "quarantine-";
constexpr std::string_view kSuffix = ".bin";
constexpr std::string_view kNewSuffix = ".bin.new";

std::string name_of(Position place) {
  return std::string(kPrefix) + std::to_string(place.segment) + "-" + std::to_string(place.offset) +
         std::string(kSuffix);
}

std::optional<Position> place_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return {};
  Position place;
  const char* const end = name.data() + name.size() - kSuffix.size();
  const auto segment = std::from_chars(name.data() + kPrefix.size(), end, place.segment);
  if (segment.ec != std::errc() || segment.ptr == end || *segment.ptr != '-') return {};
  const auto offset = std::from_chars(segment.ptr + 1, end, place.offset);
  if (offset.ec != std::errc() || offset.ptr != end) return {};
  return place;
}

Result<void> copy_bytes(const File& from, Stretch stretch, File& to) {
  constexpr std::uint32_t kPiece = 256u << 10;
  Bytes piece;
  for (Offset at = stretch.begin; at < stretch.end; at += kPiece) {
    piece.assign(std::min(kPiece, stretch.end - at), std::byte{0});
    if (auto got = from.read(at, piece); !got) return got.error();
    const ByteView view(piece);
    if (auto done = to.write(at - stretch.begin, {&view, 1}); !done) return done;
  }
  return to.sync();
}

Result<void> copy_stretch(Disk& disk, const File& file, Position place, Stretch stretch) {
  const std::string name = name_of(place);
  const std::string half = name + ".new";
  auto created = disk.create(half);
  if (!created) return created.error();
  Result<void> done = copy_bytes(file, stretch, **created);
  if (done) done = disk.rename(half, name);
  if (done) return disk.sync_folder();
  if (auto removed = disk.remove(half); !removed)
    log::warn("a half-made quarantine file stays behind", {{"file", half}});
  return done;
}

}  // namespace

Quarantine::Quarantine(Disk& disk, Executor& loop, Executor& pool, Index& index,
                       SegmentFiles& files)
    : disk_(disk),
      loop_(loop),
      pool_(pool),
      index_(index),
      files_(files),
      alive_(std::make_shared<Quarantine*>(this)) {}

Quarantine::~Quarantine() { *alive_ = nullptr; }

Result<bool> Quarantine::adopt(const FileInfo& info) {
  if (info.name.starts_with(kPrefix) && info.name.ends_with(kNewSuffix)) {
    if (auto removed = disk_.remove(info.name); !removed) return removed.error();
    return true;
  }
  const auto place = place_of(info.name);
  if (!place) return false;
  places_.insert(*place);
  bytes_ += info.size;
  return true;
}

bool Quarantine::has_room(std::uint64_t bytes) const {
  const std::uint64_t most = std::min(kBytesMax, files_.bytes_max() / 8);
  return bytes_ + bytes <= most && files_.has_room_for_other(bytes);
}

Result<std::uint64_t> Quarantine::copy_now(const File& file, SegmentNumber segment,
                                           Stretch stretch) {
  const Position place{segment, stretch.begin};
  const std::uint64_t bytes = stretch.end - stretch.begin;
  if (places_.contains(place) || !has_room(bytes)) return std::uint64_t{0};
  auto done = copy_stretch(disk_, file, place, stretch);
  if (!done && done.error().code == Errc::no_space) return std::uint64_t{0};
  if (!done) return done.error();
  places_.insert(place);
  bytes_ += bytes;
  files_.add_other_bytes(bytes);
  return bytes;
}

bool Quarantine::copy(SegmentNumber number, Stretch stretch) {
  Segment* segment = index_.segment(number);
  const Position place{number, stretch.begin};
  if (segment == nullptr || places_.contains(place)) return false;
  if (places_.size() < kPlacesMax) places_.insert(place);
  const std::uint64_t bytes = stretch.end - stretch.begin;
  if (!has_room(bytes)) {
    log::warn("spool: no room to keep a copy of damaged bytes",
              {{"segment", number}, {"offset", stretch.begin}, {"bytes", bytes}});
    return true;
  }
  bytes_ += bytes;
  files_.add_other_bytes(bytes);
  ++segment->readers;
  pool_.post([&disk = disk_, &loop = loop_, alive = alive_, file = segment->file().file, place,
              stretch, bytes] {
    auto done = copy_stretch(disk, *file, place, stretch);
    loop.post([alive, place, bytes, done = std::move(done)] {
      if (*alive != nullptr) (*alive)->on_copied(place.segment, bytes, done);
    });
  });
  return true;
}

void Quarantine::on_copied(SegmentNumber number, std::uint64_t bytes, const Result<void>& done) {
  if (Segment* segment = index_.segment(number)) --segment->readers;
  if (done) return;
  bytes_ -= bytes;
  files_.take_other_bytes(bytes);
  log::warn("spool: a copy of damaged bytes could not be kept",
            {{"segment", number}, {"bytes", bytes}, {"error", done.error().detail}});
}

}  // namespace pannier::spool
