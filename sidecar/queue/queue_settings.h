// QueueSettings: how one queue behaves: what a client's declare or a MessageQueue asks for.
//
// A value; made by settings_from (definition.h), changed live by Queue::change.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/policy.h"
#include "sidecar/spool/format.h"

namespace pannier::queue {

// No timer is longer: sums of times stay in range whatever a client asks for.
inline constexpr std::chrono::hours kTimeoutMax{24 * 3650};

// Where dead letters of a queue go.
struct DeadLetterTarget {
  std::string exchange;
  std::optional<std::string> routing_key;  // unset: those that the message has
  bool operator==(const DeadLetterTarget&) const = default;
};

struct QueueSettings {
  std::string name;
  Durability durability = Durability::disk;
  std::uint64_t bytes_max = 0;     // 0: no limit
  std::uint64_t messages_max = 0;  // 0: no limit
  Overflow overflow = Overflow::drop_head;
  bool limits_count_unacked = false;  // a MessageQueue's storage; x-max-length counts ready ones
  std::chrono::milliseconds ack_timeout{0};              // 0: none
  spool::Priority priority_max = 0;                      // a higher one counts as this
  std::optional<std::chrono::milliseconds> message_ttl;  // 0: gone unless somebody waits for it
  std::optional<DeadLetterTarget> dead_letter;
  bool dead_letters_overflow = false;    // of publishes that reject-publish refuses
  std::uint32_t deliveries_max = 0;      // 0: no limit
  std::chrono::milliseconds backoff{0};  // after the first failed delivery; then twice as long
  std::chrono::milliseconds backoff_max{0};
  bool single_active_consumer = false;
  bool keeps_groups = false;             // one message of a group is out at a time
  std::chrono::milliseconds expires{0};  // unused for so long, it goes; 0: it stays
  std::optional<Dedup> dedup;
  Compression compression = Compression::none;
  bool paused = false;
  bool ending = false;  // publishes are refused
};

}  // namespace pannier::queue
