// What every decoder of the spool is held to: GuardedBytes, so that reading one byte too far ends
// the test program, and loops over prefixes and random bytes.
//
// Used by the tests of the format; each value is owned by its test. Linux only, as the spool is.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/bytes.h"
#include "common/random.h"

namespace pannier::spool {

// A copy of some bytes that ends where a page begins that nobody may touch.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t bytes_max) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    room_ = (bytes_max + page - 1) / page * page;
    mapped_ = room_ + page;
    void* const at =
        ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) std::perror("mmap"), std::abort();
    begin_ = static_cast<std::byte*>(at);
    if (::mprotect(begin_ + room_, page, PROT_NONE) != 0) std::perror("mprotect"), std::abort();
  }
  ~GuardedBytes() { ::munmap(begin_, mapped_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  // Good until the next call.
  ByteView put(ByteView bytes) {
    if (bytes.size() > room_) std::abort();
    std::byte* const at = begin_ + room_ - bytes.size();
    if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
    return {at, bytes.size()};
  }

 private:
  std::byte* begin_ = nullptr;
  std::size_t room_ = 0;
  std::size_t mapped_ = 0;
};

inline Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

// The sizes of the proper prefixes that `decodes` takes: nothing should be among them but what the
// layout calls whole. Every step-th prefix is tried.
template <typename Decodes>
std::vector<std::size_t> prefixes_taken(ByteView bytes, Decodes&& decodes, std::size_t step = 1) {
  GuardedBytes guarded(bytes.size() + 1);
  std::vector<std::size_t> taken;
  for (std::size_t size = 0; size < bytes.size(); size += step)
    if (decodes(guarded.put(bytes.first(size)))) taken.push_back(size);
  return taken;
}

// Calls `decode` with random bytes, and with `valid` after some of its bytes were changed, cut off
// or added. It passes if it comes back.
template <typename Decode>
void try_damaged(ByteView valid, Decode&& decode, std::uint64_t seed, int rounds = 20'000) {
  Random random(seed);
  GuardedBytes guarded(valid.size() + 256);
  for (int i = 0; i < rounds; ++i) {
    if (i % 2 == 0) {
      decode(guarded.put(random_bytes(random, random.below(128))));
      continue;
    }
    Bytes bytes(valid.begin(), valid.end());
    const Bytes more = random_bytes(random, random.below(16));
    if (random.below(4) == 0) bytes.insert(bytes.end(), more.begin(), more.end());
    if (random.below(4) == 0) bytes.resize(random.below(bytes.size() + 1));
    for (std::uint64_t left = random.below(4) + 1; left > 0 && !bytes.empty(); --left)
      bytes[random.below(bytes.size())] = static_cast<std::byte>(random.next());
    decode(guarded.put(bytes));
  }
}

}  // namespace pannier::spool
