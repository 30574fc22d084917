// DurableFile and DurableNames: what of a file, and of a folder's names, survives a power cut.
//
// Both know two states, the one that programs see and the one on the disk, and the changes between
// them. MemoryDisk owns them and serialises calls; no faults and no limits here. In bytes.
//
// Of the changes that are not durable a cut keeps any part: each write is cut into pages and each
// page is kept, dropped, or torn into sectors of which each is kept or dropped; growth and every
// change of a name come or go on their own. What is kept is applied in the order in which it was
// made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "tests/support/paged_bytes.h"

namespace pannier {

inline constexpr std::uint64_t kPageSize = PagedBytes::kPageSize;
inline constexpr std::uint64_t kSectorSize = 512;

// What a restart finds of the changes that were not durable.
enum class Keep : std::uint8_t {
  nothing,     // the power was cut: none of them
  everything,  // the power was cut: all of them, and they are durable now
  random,      // the power was cut: any part of them; the seed chooses
  cached,      // only the process died: all of them, and still not durable
};

// Draws that depend on the seed alone, on every machine.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t below(std::uint64_t end) { return engine_() % end; }
  bool percent(std::uint64_t percent) { return below(100) < percent; }
  // Mostly no, half and half, or mostly yes: some rounds lose little, others nearly everything.
  std::uint64_t bias() { return below(3) * 45 + 5; }

 private:
  std::mt19937_64 engine_;
};

class DurableFile {
 public:
  DurableFile() = default;
  explicit DurableFile(PagedBytes content) : durable_(content), seen_(std::move(content)) {}

  const PagedBytes& seen() const { return seen_; }

  void write(std::uint64_t at, Bytes data);
  void grow(std::uint64_t size);
  // Makes every change durable.
  void sync();
  // What a failed sync does: some changes are on the disk now, the others never will be, and
  // programs see the one or the other.
  void lose(Chance& chance);
  // Damages a byte wherever it is held. `at` lies within the file.
  void flip(std::uint64_t at, std::byte mask);

  DurableFile after_restart(Keep keep, Chance& chance) const;

 private:
  // A write, or growth to a size when there are no data.
  struct Change {
    std::uint64_t at;
    Bytes data;
    std::uint64_t end() const { return at + data.size(); }
  };

  PagedBytes random_outcome(Chance& chance) const;

  PagedBytes durable_;
  PagedBytes seen_;
  std::vector<Change> changes_;
};

class DurableNames {
 public:
  using FilePtr = std::shared_ptr<DurableFile>;
  using Map = std::map<std::string, FilePtr, std::less<>>;

  const Map& seen() const { return seen_; }
  FilePtr find(std::string_view name) const;

  // The caller has checked that `name` and `from` exist, or for create that it does not.
  FilePtr create(std::string_view name);
  void remove(std::string_view name);
  void rename(std::string_view from, std::string_view to);
  void sync();
  void lose(Chance& chance);
  // A durable file, in place of any other and without a trace of it.
  void plant(std::string_view name, FilePtr file);

  DurableNames after_restart(Keep keep, Chance& chance) const;

 private:
  // A create or rename ties the file to `to`; a remove has none.
  struct Change {
    std::string from;
    std::string to;
    FilePtr file;
  };

  static void apply(const Change& change, Map& names);
  Map random_outcome(Chance& chance) const;

  Map durable_;
  Map seen_;
  std::vector<Change> changes_;
};

}  // namespace pannier
