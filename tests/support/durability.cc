#include "tests/support/durability.h"

#include <algorithm>
#include <set>
#include <utility>

namespace pannier {
namespace {

// Calls take(position, part) for each part of the data that lies within one unit of the disk.
template <typename Take>
void for_each_unit(std::uint64_t unit, std::uint64_t at, ByteView data, Take take) {
  while (!data.empty()) {
    const auto room = static_cast<std::size_t>(unit - at % unit);
    const ByteView part = data.first(std::min(data.size(), room));
    take(at, part);
    at += part.size();
    data = data.subspan(part.size());
  }
}

// A file system extends a file write by write or page by page, or leaves it shorter than its bytes.
std::uint64_t random_size(std::uint64_t from, std::uint64_t to, Chance& chance) {
  const std::uint64_t any = from + chance.below(to - from + 1);
  switch (chance.below(4)) {
    case 0: return from;
    case 1: return to;
    case 2: return std::max(from, any / kPageSize * kPageSize);
    default: return any;
  }
}

}  // namespace

void DurableFile::write(std::uint64_t at, Bytes data) {
  if (data.empty()) return;
  seen_.write(at, data);
  changes_.push_back({at, std::move(data)});
}

void DurableFile::grow(std::uint64_t size) {
  if (size <= seen_.size()) return;
  seen_.resize(size);
  changes_.push_back({size, {}});
}

void DurableFile::sync() {
  for (const Change& change : changes_) {
    durable_.write(change.at, change.data);
    durable_.resize(std::max(durable_.size(), change.end()));
  }
  changes_.clear();
}

void DurableFile::lose(Chance& chance) {
  durable_ = random_outcome(chance);
  std::set<std::uint64_t> pages;
  for (const Change& change : changes_) {
    for_each_unit(kPageSize, change.at, change.data,
                  [&](std::uint64_t at, ByteView) { pages.insert(at / kPageSize); });
  }
  for (const std::uint64_t page : pages) {
    if (chance.percent(50)) continue;  // still in the cache, for now
    const std::uint64_t at = page * kPageSize;
    Bytes reread(static_cast<std::size_t>(std::min(kPageSize, seen_.size() - at)));
    durable_.read(at, reread);
    seen_.write(at, reread);
  }
  changes_.clear();
}

void DurableFile::flip(std::uint64_t at, std::byte mask) {
  const auto flip_in = [&](PagedBytes& content) {
    std::byte byte{};
    if (content.read(at, {&byte, 1}) == 0) return;
    byte ^= mask;
    content.write(at, {&byte, 1});
  };
  flip_in(durable_);
  flip_in(seen_);
  for (Change& change : changes_) {
    if (at < change.at || at >= change.end()) continue;
    change.data[static_cast<std::size_t>(at - change.at)] ^= mask;
  }
}

PagedBytes DurableFile::random_outcome(Chance& chance) const {
  const std::uint64_t keep_percent = chance.bias();
  const std::uint64_t tear_percent = chance.bias();
  PagedBytes outcome = durable_;
  std::uint64_t end = durable_.size();
  for (const Change& change : changes_) {
    end = std::max(end, change.end());
    for_each_unit(kPageSize, change.at, change.data, [&](std::uint64_t at, ByteView page) {
      const bool torn = chance.percent(tear_percent);
      const bool kept = chance.percent(keep_percent);
      if (!torn && kept) outcome.write(at, page);
      if (!torn) return;
      for_each_unit(kSectorSize, at, page, [&](std::uint64_t sector_at, ByteView sector) {
        if (chance.percent(50)) outcome.write(sector_at, sector);
      });
    });
  }
  outcome.resize(random_size(durable_.size(), end, chance));
  return outcome;
}

DurableFile DurableFile::after_restart(Keep keep, Chance& chance) const {
  switch (keep) {
    case Keep::nothing: return DurableFile(durable_);
    case Keep::random: return DurableFile(random_outcome(chance));
    case Keep::cached: break;
    case Keep::everything: {
      DurableFile all = *this;
      all.sync();
      return DurableFile(all.durable_);
    }
  }
  return *this;
}

DurableNames::FilePtr DurableNames::find(std::string_view name) const {
  const auto found = seen_.find(name);
  return found == seen_.end() ? nullptr : found->second;
}

DurableNames::FilePtr DurableNames::create(std::string_view name) {
  auto file = std::make_shared<DurableFile>();
  apply(changes_.emplace_back(Change{{}, std::string(name), file}), seen_);
  return file;
}

void DurableNames::remove(std::string_view name) {
  apply(changes_.emplace_back(Change{std::string(name), {}, find(name)}), seen_);
}

void DurableNames::rename(std::string_view from, std::string_view to) {
  if (from == to) return;
  apply(changes_.emplace_back(Change{std::string(from), std::string(to), find(from)}), seen_);
}

// A change may come without the ones before it. Even so a file has one name, and a new file does
// not take the name of one whose rename or removal was lost.
void DurableNames::apply(const Change& change, Map& names) {
  const bool creates = change.from.empty();
  if (creates && names.contains(change.to)) return;
  std::erase_if(names, [&](const auto& entry) { return entry.second == change.file; });
  if (!change.to.empty()) names[change.to] = change.file;
}

void DurableNames::sync() {
  for (const Change& change : changes_) apply(change, durable_);
  changes_.clear();
}

void DurableNames::lose(Chance& chance) {
  durable_ = random_outcome(chance);
  changes_.clear();
}

void DurableNames::plant(std::string_view name, FilePtr file) {
  std::erase_if(changes_, [&](const Change& c) { return c.from == name || c.to == name; });
  durable_[std::string(name)] = file;
  seen_[std::string(name)] = std::move(file);
}

DurableNames::Map DurableNames::random_outcome(Chance& chance) const {
  const std::uint64_t keep_percent = chance.bias();
  Map outcome = durable_;
  for (const Change& change : changes_) {
    if (chance.percent(keep_percent)) apply(change, outcome);
  }
  return outcome;
}

DurableNames DurableNames::after_restart(Keep keep, Chance& chance) const {
  // Each file is copied once, at its first mention, in an order that depends on names alone.
  std::map<const DurableFile*, FilePtr> copies;
  const auto copy_of = [&](const FilePtr& file) {
    FilePtr& copy = copies[file.get()];
    if (!copy) copy = std::make_shared<DurableFile>(file->after_restart(keep, chance));
    return copy;
  };
  const auto copy_all = [&](Map names) {
    for (auto& [name, file] : names) file = copy_of(file);
    return names;
  };

  DurableNames after;
  if (keep == Keep::cached) {
    after.durable_ = copy_all(durable_);
    after.seen_ = copy_all(seen_);
    after.changes_ = changes_;
    for (Change& change : after.changes_) change.file = copy_of(change.file);
    return after;
  }
  Map outcome = durable_;
  if (keep == Keep::random) outcome = random_outcome(chance);
  if (keep == Keep::everything) {
    for (const Change& change : changes_) apply(change, outcome);
  }
  after.durable_ = copy_all(std::move(outcome));
  after.seen_ = after.durable_;
  return after;
}

}  // namespace pannier
