// SegmentKey: the key of the encrypted records of one life of one segment, and how it seals and
// opens them (docs/spool_format.md, Encryption).
//
// Made from a master key by a KeyRing; an immutable value behind a shared_ptr, used on the
// committer (writes) and the pool (reads, footers) at once. Its bytes are wiped when the last user
// is done, and never leave it. A machine without memory for OpenSSL to work with ends the program.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "sidecar/spool/format.h"

namespace pannier::spool {

using KeyBytes = std::array<std::byte, 32>;

class SegmentKey {
 public:
  // Of the segment's life that the header names, from the master key of its key id.
  SegmentKey(const KeyBytes& master, const SegmentHeader& header);
  ~SegmentKey();
  SegmentKey(const SegmentKey&) = delete;
  SegmentKey& operator=(const SegmentKey&) = delete;

  std::uint32_t id() const { return id_; }

  // Nonce, ciphertext and tag of the pieces, to `to`, which has room for them and kSealSize. `aad`
  // must be the same when it is opened.
  void seal(ByteView aad, std::span<const ByteView> plain, std::byte* to) const;
  // False if `stored` was not sealed with this key and `aad`. `to` has room for what was sealed.
  bool open(ByteView aad, ByteView stored, std::byte* to) const;

 private:
  std::uint32_t id_ = 0;
  KeyBytes key_{};
};

// What it takes to read and write the records of one life of one segment. No key: they are plain.
struct RecordKeys {
  std::uint32_t seed = 0;
  std::shared_ptr<const SegmentKey> key;

  RecordKeys(std::uint32_t with_seed = 0, std::shared_ptr<const SegmentKey> with_key = {})
      : seed(with_seed), key(std::move(with_key)) {}
};

}  // namespace pannier::spool
