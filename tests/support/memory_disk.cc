#include "tests/support/memory_disk.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace pannier {
namespace {

using spool::File;
using spool::FileInfo;
using spool::FolderLock;
using spool::Space;

// What a step has been told to do besides its work.
struct Fate {
  bool crash = false;
  std::optional<Errc> fault;
};

Error power_is_off_error() { return Error{Errc::io_error, "power is off"}; }
Error told_to_fail(Errc code) { return Error{code, "the memory disk was told to fail here"}; }

bool is_sync(DiskCall call) { return call == DiskCall::sync || call == DiskCall::sync_folder; }

Result<void> checked(std::string_view name) {
  if (spool::is_file_name(name)) return {};
  return Error{Errc::bad_argument, "'" + std::string(name) + "' is no name for a file"};
}

Bytes joined(std::span<const ByteView> pieces) {
  Bytes all;
  for (const ByteView piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

}  // namespace

// Everything, behind one mutex. Methods without a lock of their own say so.
struct MemoryDisk::State {
  explicit State(std::uint64_t seed) : chance(seed) {}

  // Does one step: counts it, logs it, and lets `work` run with its fate.
  Result<void> step(DiskCall call, std::string line,
                    const std::function<Result<void>(const Fate&)>& work) {
    const std::lock_guard guard(mutex);
    if (off) return power_is_off_error();
    const Fate fate = fate_of(counts.steps++, call);
    Result<void> result = work(fate);
    if (fate.crash) {
      off = true;
      result = power_is_off_error();
      line += ": power is off";
    } else if (!result) {
      line += ": " + std::string(name_of(result.error().code));
    }
    log.push_back(std::move(line));
    return result;
  }

  // Under the lock.
  Fate fate_of(std::size_t step, DiskCall call) {
    if (crash_step == step) return {.crash = true, .fault = {}};
    std::optional<Errc> fault;
    if (const auto found = faults_by_step.find(step); found != faults_by_step.end()) {
      fault = found->second;
    } else if (const auto next = faults_by_call.find(call); next != faults_by_call.end()) {
      fault = next->second;
      faults_by_call.erase(next);
    }
    if (fault && is_sync(call)) fault = Errc::sync_failed;
    return {.crash = false, .fault = fault};
  }

  // Under the lock.
  std::uint64_t used_bytes() const {
    std::uint64_t used = 0;
    for (const auto& [name, file] : names.seen()) used += file->seen().size();
    return used;
  }
  std::uint64_t room() const {
    const std::uint64_t used = used_bytes();
    return used < capacity ? capacity - used : 0;
  }

  // Under the lock. Ends the test program when there is no such file.
  DurableNames::FilePtr must_find(std::string_view name) const {
    if (auto file = names.find(name)) return file;
    std::fprintf(stderr, "MemoryDisk: no file '%s'\n", std::string(name).c_str());
    std::abort();
  }

  mutable std::mutex mutex;
  DurableNames names;
  Chance chance;
  std::uint64_t capacity = kCapacityDefault;
  bool off = false;
  bool locked = false;
  bool sync_lies = false;
  bool folder_sync_lies = false;
  std::optional<std::size_t> crash_step;
  std::map<std::size_t, Errc> faults_by_step;
  std::map<DiskCall, Errc> faults_by_call;
  DiskCounts counts;
  std::vector<std::string> log;
};

class MemoryDisk::Handle final : public File {
 public:
  Handle(std::shared_ptr<State> state, DurableNames::FilePtr file, std::string_view name)
      : state_(std::move(state)), file_(std::move(file)), name_(name) {}

  Result<void> write(std::uint64_t at, std::span<const ByteView> pieces) override {
    Bytes data = joined(pieces);
    std::string line =
        "write " + name_ + " " + std::to_string(at) + "+" + std::to_string(data.size());
    return state_->step(DiskCall::write, std::move(line),
                        [&](const Fate& fate) { return write_now(at, std::move(data), fate); });
  }

  Result<std::size_t> read(std::uint64_t at, std::span<std::byte> into) const override {
    const std::lock_guard guard(state_->mutex);
    if (state_->off) return power_is_off_error();
    const std::size_t count = file_->seen().read(at, into);
    state_->counts.reads += 1;
    state_->counts.bytes_read += count;
    return count;
  }

  Result<void> sync() override {
    return state_->step(DiskCall::sync, "sync " + name_, [&](const Fate& fate) -> Result<void> {
      if (fate.crash) return {};
      if (fate.fault) {
        file_->lose(state_->chance);
        return told_to_fail(*fate.fault);
      }
      if (!state_->sync_lies) file_->sync();
      state_->counts.syncs += 1;
      return {};
    });
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard guard(state_->mutex);
    if (state_->off) return power_is_off_error();
    return file_->seen().size();
  }

  Result<void> allocate(std::uint64_t size) override {
    std::string line = "allocate " + name_ + " " + std::to_string(size);
    return state_->step(DiskCall::allocate, std::move(line), [&](const Fate& fate) -> Result<void> {
      if (fate.fault) return told_to_fail(*fate.fault);
      if (size > file_->seen().size() + state_->room()) return full();
      file_->grow(size);
      return {};
    });
  }

 private:
  Result<void> write_now(std::uint64_t at, Bytes data, const Fate& fate) {
    const std::uint64_t end_max = file_->seen().size() + state_->room();
    std::uint64_t fits = end_max > at ? end_max - at : 0;
    if (fate.fault) fits = std::min(fits, state_->chance.below(data.size() + 1));
    if (fate.fault || fits < data.size()) {
      data.resize(static_cast<std::size_t>(std::min<std::uint64_t>(fits, data.size())));
      file_->write(at, std::move(data));
      return fate.fault ? told_to_fail(*fate.fault) : full();
    }
    state_->counts.writes += 1;
    state_->counts.bytes_written += data.size();
    file_->write(at, std::move(data));
    return {};
  }

  Error full() const {
    return Error{Errc::no_space, "no room for " + name_ + " on a disk of " +
                                     std::to_string(state_->capacity) + " bytes"};
  }

  const std::shared_ptr<State> state_;
  const DurableNames::FilePtr file_;
  const std::string name_;
};

class MemoryDisk::Lock final : public FolderLock {
 public:
  explicit Lock(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Lock() override {
    const std::lock_guard guard(state_->mutex);
    state_->locked = false;
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  const std::shared_ptr<State> state_;
};

MemoryDisk::MemoryDisk(std::uint64_t seed) : state_(std::make_shared<State>(seed)) {}
MemoryDisk::MemoryDisk(std::shared_ptr<State> state) : state_(std::move(state)) {}
MemoryDisk::~MemoryDisk() = default;

Result<std::unique_ptr<File>> MemoryDisk::open(std::string_view name) {
  if (auto ok = checked(name); !ok) return ok.error();
  const std::lock_guard guard(state_->mutex);
  if (state_->off) return power_is_off_error();
  auto file = state_->names.find(name);
  if (!file) return Error{Errc::io_error, "open " + std::string(name) + ": no such file"};
  return std::unique_ptr<File>(std::make_unique<Handle>(state_, std::move(file), name));
}

Result<std::unique_ptr<File>> MemoryDisk::create(std::string_view name) {
  if (auto ok = checked(name); !ok) return ok.error();
  DurableNames::FilePtr file;
  const auto created = state_->step(
      DiskCall::create, "create " + std::string(name), [&](const Fate& fate) -> Result<void> {
        if (fate.fault) return told_to_fail(*fate.fault);
        if (state_->names.find(name)) {
          return Error{Errc::io_error, "create " + std::string(name) + ": it exists"};
        }
        file = state_->names.create(name);
        return {};
      });
  if (!created) return created.error();
  return std::unique_ptr<File>(std::make_unique<Handle>(state_, std::move(file), name));
}

Result<void> MemoryDisk::remove(std::string_view name) {
  if (auto ok = checked(name); !ok) return ok;
  return state_->step(
      DiskCall::remove, "remove " + std::string(name), [&](const Fate& fate) -> Result<void> {
        if (fate.fault) return told_to_fail(*fate.fault);
        if (!state_->names.find(name)) {
          return Error{Errc::io_error, "remove " + std::string(name) + ": no such file"};
        }
        state_->names.remove(name);
        return {};
      });
}

Result<void> MemoryDisk::rename(std::string_view from, std::string_view to) {
  if (auto ok = checked(from); !ok) return ok;
  if (auto ok = checked(to); !ok) return ok;
  return state_->step(
      DiskCall::rename, "rename " + std::string(from) + " " + std::string(to),
      [&](const Fate& fate) -> Result<void> {
        if (fate.fault) return told_to_fail(*fate.fault);
        if (!state_->names.find(from)) {
          return Error{Errc::io_error, "rename " + std::string(from) + ": no such file"};
        }
        state_->names.rename(from, to);
        return {};
      });
}

Result<std::vector<FileInfo>> MemoryDisk::list() const {
  const std::lock_guard guard(state_->mutex);
  if (state_->off) return power_is_off_error();
  std::vector<FileInfo> files;
  for (const auto& [name, file] : state_->names.seen())
    files.push_back({name, file->seen().size()});
  return files;
}

Result<void> MemoryDisk::sync_folder() {
  return state_->step(DiskCall::sync_folder, "sync_folder", [&](const Fate& fate) -> Result<void> {
    if (fate.crash) return {};
    if (fate.fault) {
      state_->names.lose(state_->chance);
      return told_to_fail(*fate.fault);
    }
    if (!state_->folder_sync_lies) state_->names.sync();
    state_->counts.folder_syncs += 1;
    return {};
  });
}

Result<Space> MemoryDisk::space() const {
  const std::lock_guard guard(state_->mutex);
  if (state_->off) return power_is_off_error();
  return Space{state_->room(), state_->capacity};
}

Result<std::unique_ptr<FolderLock>> MemoryDisk::lock() {
  const std::lock_guard guard(state_->mutex);
  if (state_->off) return power_is_off_error();
  if (state_->locked) return Error{Errc::spool_locked, "somebody else uses this memory disk"};
  state_->locked = true;
  return std::unique_ptr<FolderLock>(std::make_unique<Lock>(state_));
}

void MemoryDisk::crash_at(std::size_t step) {
  const std::lock_guard guard(state_->mutex);
  state_->crash_step = step;
}

void MemoryDisk::crash_now() {
  const std::lock_guard guard(state_->mutex);
  state_->off = true;
}

bool MemoryDisk::power_is_off() const {
  const std::lock_guard guard(state_->mutex);
  return state_->off;
}

std::unique_ptr<MemoryDisk> MemoryDisk::restart(std::uint64_t seed, Keep keep) const {
  const std::lock_guard guard(state_->mutex);
  auto after = std::make_shared<State>(seed);
  after->capacity = state_->capacity;
  after->names = state_->names.after_restart(keep, after->chance);
  return std::unique_ptr<MemoryDisk>(new MemoryDisk(std::move(after)));
}

void MemoryDisk::fail_at(std::size_t step, Errc code) {
  const std::lock_guard guard(state_->mutex);
  state_->faults_by_step[step] = code;
}

void MemoryDisk::fail_next(DiskCall call, Errc code) {
  const std::lock_guard guard(state_->mutex);
  state_->faults_by_call[call] = code;
}

void MemoryDisk::set_capacity(std::uint64_t bytes) {
  const std::lock_guard guard(state_->mutex);
  state_->capacity = bytes;
}

void MemoryDisk::sync_is_a_lie(bool lie) {
  const std::lock_guard guard(state_->mutex);
  state_->sync_lies = lie;
}

void MemoryDisk::folder_sync_is_a_lie(bool lie) {
  const std::lock_guard guard(state_->mutex);
  state_->folder_sync_lies = lie;
}

void MemoryDisk::flip(std::string_view name, std::uint64_t at, std::byte mask) {
  const std::lock_guard guard(state_->mutex);
  state_->must_find(name)->flip(at, mask);
}

void MemoryDisk::plant(std::string_view name, ByteView content) {
  PagedBytes bytes;
  bytes.write(0, content);
  const std::lock_guard guard(state_->mutex);
  state_->names.plant(name, std::make_shared<DurableFile>(std::move(bytes)));
}

Bytes MemoryDisk::content(std::string_view name) const {
  const std::lock_guard guard(state_->mutex);
  const auto file = state_->must_find(name);
  Bytes bytes(static_cast<std::size_t>(file->seen().size()));
  file->seen().read(0, bytes);
  return bytes;
}

bool MemoryDisk::exists(std::string_view name) const {
  const std::lock_guard guard(state_->mutex);
  return state_->names.find(name) != nullptr;
}

DiskCounts MemoryDisk::counts() const {
  const std::lock_guard guard(state_->mutex);
  return state_->counts;
}

std::vector<std::string> MemoryDisk::log() const {
  const std::lock_guard guard(state_->mutex);
  return state_->log;
}

void MemoryDisk::clear_log() {
  const std::lock_guard guard(state_->mutex);
  state_->log.clear();
}

}  // namespace pannier
