// KeyRing: the master keys that a spool's segments are encrypted with, by number, and which of them
// new segments use.
//
// Read from a folder of files: one a key, named by its number (1 or more, in decimal) with 32 bytes
// or their 64 hex digits in it; and `current`, the number that new segments use, 0 for none. Names
// that begin with a dot are not looked at. What others than its owner can write is refused.
// Immutable; any thread. Key bytes are wiped with the last owner, and no error and no log line
// holds any. A reload is a new KeyRing: Spool::use_keys.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "sidecar/spool/segment_key.h"

namespace pannier::spool {

class KeyRing {
 public:
  static constexpr std::size_t kKeysMax = 256;

  // Blocks. Errors: bad_config, which names the file and what is wrong with it.
  static Result<std::shared_ptr<const KeyRing>> load(const std::string& folder);

  // Of keys that are at hand; `current` is one of them or 0.
  KeyRing(std::map<std::uint32_t, KeyBytes> keys, std::uint32_t current);
  ~KeyRing();
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  std::uint32_t current() const { return current_; }
  bool has(std::uint32_t id) const { return keys_.contains(id); }
  // Both have it and it is the same, or neither does.
  bool agrees_with(const KeyRing& other, std::uint32_t id) const;
  // The same keys under the same numbers, and the same one is current.
  bool is_same_as(const KeyRing& other) const;
  // For the life of the segment that the header names; null if the key is not here or none is
  // named.
  std::shared_ptr<const SegmentKey> key_of(const SegmentHeader& header) const;

 private:
  std::map<std::uint32_t, KeyBytes> keys_;
  std::uint32_t current_ = 0;
};

}  // namespace pannier::spool
