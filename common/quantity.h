// Durations, byte quantities and points in time as Kubernetes and Go spell them, both ways.
//
// Pure functions over values; any thread. A duration is held in milliseconds, a quantity in bytes,
// a point in time in whole seconds UTC. Errors are bad_argument and read "expected ..., found ...:
// what to do", ready to have a place put in front of them. What to_text writes, parse reads back
// unchanged.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace pannier {

using Timestamp = std::chrono::sys_seconds;

// "250ms", "60s", "5m", "1h30m", "1.5h", "0s", "0". Not negative, whole milliseconds, at most what
// Go's time.Duration holds (292 years).
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// The shortest list of whole units: "1h30m", "250ms", "1m1ms", "0s". Not for negative values.
std::string duration_text(std::chrono::milliseconds value);

// "128974848", "100k", "1G", "500Mi", "1.5Gi", "1e3". A part of a byte is rounded up, as Kubernetes
// does. Not negative; at most 2^64 - 1.
Result<std::uint64_t> parse_quantity(std::string_view text);

// The shortest exact form without a fraction, binary suffixes before decimal ones: "1Gi", "100k",
// "1536".
std::string quantity_text(std::uint64_t bytes);

// "2026-11-22T10:00:00Z", as Kubernetes writes metav1.Time: UTC, whole seconds, years 1970 to 9999.
Result<Timestamp> parse_timestamp(std::string_view text);
std::string timestamp_text(Timestamp value);

// A value as an error message shows it: in quotes, cut at 60 bytes, control characters as \xNN.
std::string quoted_for_people(std::string_view text);

}  // namespace pannier
