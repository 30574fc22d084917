#include "sidecar/spool/segment_files.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/log.h"

namespace pannier::spool {
namespace {

constexpr std::string_view kPrefix = "journal-";
constexpr std::string_view kSuffix = ".seg";

Result<void> fill_with_zeros(File& file, std::uint32_t bytes) {
  static constexpr std::array<std::byte, 1u << 18> kZeros{};
  for (std::uint64_t at = 0; at < bytes; at += kZeros.size()) {
    const ByteView view =
        ByteView(kZeros).first(std::min<std::uint64_t>(kZeros.size(), bytes - at));
    if (auto done = file.write(at, {&view, 1}); !done) return done;
  }
  return file.sync();
}

Result<SegmentFile> make_file(Disk& disk, const std::string& name, const SegmentFilesLimits& limits,
                              bool filled) {
  auto space = disk.space();
  if (!space) return space.error();
  if (space->free_bytes < limits.free_space_reserve + limits.segment_bytes)
    return Error{Errc::no_space, "the volume has less than its reserve free"};
  auto file = disk.create(name);
  if (!file) return file.error();
  Result<void> done = (*file)->allocate(limits.segment_bytes);
  if (done) done = filled ? fill_with_zeros(**file, limits.segment_bytes) : (*file)->sync();
  if (done) done = disk.sync_folder();
  if (!done) {
    if (auto removed = disk.remove(name); !removed)
      log::warn("a half-made segment file stays behind", {{"file", name}});
    return done.error();
  }
  return SegmentFile{name, std::shared_ptr<File>(std::move(*file))};
}

}  // namespace

SegmentFiles::SegmentFiles(Disk& disk, Executor& loop, Executor& pool,
                           const SegmentFilesLimits& limits, std::function<void()> on_more)
    : disk_(disk),
      loop_(loop),
      pool_(pool),
      limits_(limits),
      on_more_(std::move(on_more)),
      alive_(std::make_shared<SegmentFiles*>(this)) {}

SegmentFiles::~SegmentFiles() { *alive_ = nullptr; }

std::uint64_t SegmentFiles::segments_max() const {
  const std::uint64_t left = limits_.bytes_max - std::min(limits_.bytes_max, other_bytes_);
  return left / limits_.segment_bytes;
}

std::uint64_t SegmentFiles::disk_bytes() const {
  return (in_use_ + spares_.size() + making_ + removing_) * limits_.segment_bytes + other_bytes_;
}

bool SegmentFiles::has_room_for_other(std::uint64_t bytes) const {
  const std::size_t unused = spares_.size() + making_ + removing_;
  const std::uint64_t files = in_use_ + std::max<std::size_t>(unused, limits_.reserve);
  return files * limits_.segment_bytes + other_bytes_ + bytes <= limits_.bytes_max;
}

bool SegmentFiles::has_room_for_spare() const {
  return in_use_ + spares_.size() + making_ + removing_ < segments_max();
}

bool SegmentFiles::is_segment_name(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return false;
  if (name.size() <= kPrefix.size() + kSuffix.size()) return false;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffix.size());
  return std::ranges::all_of(name, [](char digit) { return digit >= '0' && digit <= '9'; });
}

void SegmentFiles::note_name(const std::string& name) {
  std::uint64_t number = 0;
  const std::size_t begin = kPrefix.size();
  if (!is_segment_name(name)) return;
  std::from_chars(name.data() + begin, name.data() + name.size() - kSuffix.size(), number);
  last_name_ = std::max(last_name_, number);
}

std::string SegmentFiles::next_name() {
  const std::string digits = std::to_string(++last_name_);
  const std::size_t width = 6;
  const std::string zeros(digits.size() < width ? width - digits.size() : 0, '0');
  return std::string(kPrefix) + zeros + digits + std::string(kSuffix);
}

void SegmentFiles::adopt_spare(SegmentFile file) {
  note_name(file.name);
  spares_.push_back(std::move(file));
}

void SegmentFiles::adopt_used(const SegmentFile& file) {
  note_name(file.name);
  ++in_use_;
}

Result<void> SegmentFiles::make_first_spares() {
  const std::size_t wanted = std::min<std::uint64_t>(
      limits_.reserve + limits_.ahead, segments_max() - std::min(segments_max(), in_use_));
  while (spares_.size() < wanted) {
    auto made = make_file(disk_, next_name(), limits_, true);
    if (made) {
      spares_.push_back(std::move(*made));
      continue;
    }
    if (made.error().code != Errc::no_space) return made.error();
    low_on_space_ = true;
    break;
  }
  if (!spares_.empty()) return {};
  return Error{Errc::no_space, "no room for a journal segment of " +
                                   std::to_string(limits_.segment_bytes) +
                                   " bytes: free some space on the volume or raise the limit"};
}

bool SegmentFiles::is_full() const {
  if (in_use_ + limits_.reserve >= segments_max()) return true;
  return low_on_space_ && spares_.size() <= limits_.reserve;
}

Result<void> SegmentFiles::may_take(Use use) const {
  if (use == Use::publish && is_full())
    return Error{Errc::spool_full, low_on_space_ ? "the spool's volume is out of free space"
                                                 : "the spool has reached its limit on bytes"};
  const std::size_t left = use == Use::vital ? kForStart : kForStart + 1;
  if (use != Use::publish && in_use_ + left >= segments_max())
    return Error{Errc::spool_full, "the spool's reserve is used up"};
  const std::size_t left_alone = use == Use::publish  ? limits_.reserve
                                 : use == Use::urgent ? 1u
                                                      : 0u;
  if (spares_.size() > left_alone) return {};
  return Error{Errc::spool_busy, "the next journal segment is still being made"};
}

Result<SegmentFile> SegmentFiles::take(Use use) {
  if (auto may = use == Use::start ? Result<void>() : may_take(use); !may) {
    refill();
    return may.error();
  }
  SegmentFile file = std::move(spares_.back());
  spares_.pop_back();
  ++in_use_;
  refill();
  return file;
}

void SegmentFiles::give_back(SegmentFile file) {
  --in_use_;
  spares_.push_back(std::move(file));
  refill();
  on_more_();
}

// Removes what is more than that. The files count until they are gone.
void SegmentFiles::remove_extra(std::size_t wanted) {
  std::vector<SegmentFile> extra(
      std::make_move_iterator(spares_.begin() + static_cast<std::ptrdiff_t>(wanted)),
      std::make_move_iterator(spares_.end()));
  spares_.resize(wanted);
  removing_ += extra.size();
  pool_.post([&disk = disk_, &loop = loop_, alive = alive_, extra = std::move(extra)] {
    for (const SegmentFile& file : extra)
      if (auto removed = disk.remove(file.name); !removed)
        log::warn("a spare segment file stays behind",
                  {{"file", file.name}, {"error", removed.error().detail}});
    loop.post([alive, count = extra.size()] {
      if (*alive == nullptr) return;
      (*alive)->removing_ -= count;
      (*alive)->refill();
    });
  });
}

void SegmentFiles::refill() {
  const std::size_t wanted = limits_.reserve + limits_.ahead;
  if (spares_.size() > wanted) {
    remove_extra(wanted);
    return;
  }
  if (making_ > 0 || spares_.size() >= wanted) return;
  if (!has_room_for_spare()) return;
  ++making_;
  // Behind: an unfilled file is slower to write to, but there sooner.
  const bool filled = spares_.size() >= limits_.reserve;
  pool_.post(
      [&disk = disk_, &loop = loop_, limits = limits_, name = next_name(), alive = alive_, filled] {
        auto made = make_file(disk, name, limits, filled);
        loop.post([alive, made = std::move(made)]() mutable {
          if (*alive != nullptr) (*alive)->on_made(std::move(made));
        });
      });
}

void SegmentFiles::on_made(Result<SegmentFile> made) {
  --making_;
  if (!made) {
    if (!low_on_space_)
      log::warn("cannot make a spare journal segment; publishing stops once the reserve is reached",
                {{"error", made.error().detail}});
    low_on_space_ = true;
    return;
  }
  low_on_space_ = false;
  spares_.push_back(std::move(*made));
  refill();
  on_more_();
}

}  // namespace pannier::spool
