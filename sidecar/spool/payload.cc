#include "sidecar/spool/payload.h"

#include <algorithm>

namespace pannier::spool {
namespace {

constexpr std::uint8_t kHasDue = 1;
constexpr std::uint8_t kHasExpiry = 2;
constexpr std::uint8_t kHasGroup = 4;
constexpr std::uint8_t kRedelivered = 8;
constexpr std::uint8_t kTransient = 16;
constexpr std::uint8_t kHasReturn = 32;
constexpr std::uint8_t kEntryFlagsKnown = 63;

Error malformed(const char* what) {
  return {Errc::corrupt, std::string("malformed ") + what + " record"};
}

std::uint64_t as_unsigned(Milliseconds ms) { return static_cast<std::uint64_t>(ms); }
Milliseconds as_signed(std::uint64_t ms) { return static_cast<Milliseconds>(ms); }

bool came_back(const Target& target) { return target.acquired_count != 0 || target.reason != 0; }

void encode_target(const Target& target, ByteWriter& out) {
  const auto flag = [](bool on, std::uint8_t bit) { return on ? bit : std::uint8_t{0}; };
  out.le(target.queue);
  out.le(target.sequence);
  out.u8(target.priority);
  out.u8(static_cast<std::uint8_t>(
      flag(target.due != 0, kHasDue) | flag(target.expiry != 0, kHasExpiry) |
      flag(target.group != 0, kHasGroup) | flag(target.redelivered, kRedelivered) |
      flag(target.transient, kTransient) | flag(came_back(target), kHasReturn)));
  out.le(target.delivery_count);
  if (target.due != 0) out.le(as_unsigned(target.due));
  if (target.expiry != 0) out.le(as_unsigned(target.expiry));
  if (target.group != 0) out.le(target.group);
  if (!came_back(target)) return;
  out.le(target.acquired_count);
  out.u8(target.reason);
  out.zeros(1);
}

// Answers the flags: unknown ones stand for fields that this release cannot step over.
std::uint8_t decode_target(ByteReader& in, Target& target) {
  target.queue = in.le<std::uint32_t>();
  target.sequence = in.le<std::uint64_t>();
  target.priority = in.u8();
  const std::uint8_t flags = in.u8();
  target.delivery_count = in.le<std::uint16_t>();
  target.redelivered = (flags & kRedelivered) != 0;
  target.transient = (flags & kTransient) != 0;
  if (flags & kHasDue) target.due = as_signed(in.le<std::uint64_t>());
  if (flags & kHasExpiry) target.expiry = as_signed(in.le<std::uint64_t>());
  if (flags & kHasGroup) target.group = in.le<std::uint64_t>();
  if (flags & kHasReturn) {
    target.acquired_count = in.le<std::uint16_t>();
    target.reason = in.u8();
    in.skip(1);
  }
  return flags;
}

}  // namespace

void MessageMeta::encode(Bytes& out) const {
  ByteWriter writer(out);
  writer.le(as_unsigned(published));
  writer.le(body_size);
  writer.le(body_id);
  writer.le(parts);
  writer.le(head_size);
  writer.le(static_cast<std::uint16_t>(targets.size()));
  writer.zeros(2);
  writer.le(static_cast<std::uint32_t>(attributes.size()));
  for (const Target& target : targets) encode_target(target, writer);
  writer.bytes(attributes);
}

Result<MessageMeta> MessageMeta::decode(ByteView meta) {
  ByteReader in(meta);
  MessageMeta message;
  message.published = as_signed(in.le<std::uint64_t>());
  message.body_size = in.le<std::uint64_t>();
  message.body_id = in.le<std::uint64_t>();
  message.parts = in.le<std::uint32_t>();
  message.head_size = in.le<std::uint32_t>();
  const auto targets = in.le<std::uint16_t>();
  in.skip(2);
  const auto attributes = in.le<std::uint32_t>();
  if (!in.ok()) return malformed("message");
  message.targets.reserve(targets);
  for (unsigned i = 0; i < targets && in.ok(); ++i)
    if ((decode_target(in, message.targets.emplace_back()) & ~kEntryFlagsKnown) != 0)
      return Error{Errc::wrong_version, "a message with fields of a later release"};
  const ByteView rest = in.bytes(attributes);
  if (!in.done()) return malformed("message");
  message.attributes.assign(rest.begin(), rest.end());
  return message;
}

void PartMeta::encode(Bytes& out) const {
  ByteWriter writer(out);
  writer.le(body_id);
  writer.le(index);
  writer.le(std::uint32_t{0});
}

Result<PartMeta> PartMeta::decode(ByteView meta) {
  ByteReader in(meta);
  PartMeta part;
  part.body_id = in.le<std::uint64_t>();
  part.index = in.le<std::uint32_t>();
  in.skip(4);
  if (!in.done()) return malformed("part");
  return part;
}

void encode_settles(std::span<const SettleTarget> targets, Bytes& out) {
  ByteWriter writer(out);
  for (const SettleTarget& target : targets) {
    writer.le(target.segment);
    writer.le(static_cast<std::uint32_t>(target.settled.size()));
    writer.le(static_cast<std::uint32_t>(target.changed.size()));
    for (const OrdinalRange& range : target.settled) {
      writer.le(range.first);
      writer.le(range.last);
    }
    for (const Change& change : target.changed) {
      writer.le(change.ordinal);
      writer.le(change.delivery_count);
      writer.u8(change.redelivered ? kRedelivered : std::uint8_t{0});
      writer.u8(change.reason);
      writer.le(change.acquired_count);
      writer.le(as_unsigned(change.due));
    }
  }
}

Result<std::vector<SettleTarget>> decode_settles(ByteView payload) {
  std::vector<SettleTarget> targets;
  ByteReader in(payload);
  while (in.left() > 0) {
    SettleTarget target;
    target.segment = in.le<std::uint64_t>();
    const auto ranges = in.le<std::uint32_t>();
    const auto changes = in.le<std::uint32_t>();
    if (!in.ok() || in.left() < std::uint64_t{ranges} * 4 + std::uint64_t{changes} * 16)
      return malformed("settle");
    target.settled.reserve(ranges);
    for (std::uint32_t i = 0; i < ranges; ++i) {
      const auto first = in.le<std::uint16_t>();
      const auto last = in.le<std::uint16_t>();
      if (last < first) return malformed("settle");
      target.settled.push_back({first, last});
    }
    target.changed.reserve(changes);
    for (std::uint32_t i = 0; i < changes; ++i) {
      Change change;
      change.ordinal = in.le<std::uint16_t>();
      change.delivery_count = in.le<std::uint16_t>();
      change.redelivered = (in.u8() & kRedelivered) != 0;
      change.reason = in.u8();
      change.acquired_count = in.le<std::uint16_t>();
      change.due = as_signed(in.le<std::uint64_t>());
      target.changed.push_back(change);
    }
    targets.push_back(std::move(target));
  }
  if (!in.ok()) return malformed("settle");
  return targets;
}

std::vector<OrdinalRange> ranges_of(std::vector<Ordinal> ordinals) {
  std::sort(ordinals.begin(), ordinals.end());
  std::vector<OrdinalRange> ranges;
  for (const Ordinal ordinal : ordinals) {
    if (!ranges.empty() && ordinal <= ranges.back().last + 1u)
      ranges.back().last = ordinal;
    else
      ranges.push_back({ordinal, ordinal});
  }
  return ranges;
}

void StateItem::encode(Bytes& out) const {
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.u8(erased ? kErased : std::uint8_t{0});
  writer.le(static_cast<std::uint16_t>(key.size()));
  writer.le(static_cast<std::uint32_t>(value.size()));
  writer.bytes(key);
  writer.bytes(value);
}

Result<StateItem> StateItem::decode(ByteReader& in) {
  StateItem item;
  item.kind = static_cast<StateKind>(in.u8());
  item.erased = (in.u8() & kErased) != 0;
  const auto key_size = in.le<std::uint16_t>();
  const auto value_size = in.le<std::uint32_t>();
  const ByteView key = in.bytes(key_size);
  const ByteView value = in.bytes(value_size);
  if (!in.ok()) return malformed("state");
  item.key.assign(key.begin(), key.end());
  item.value.assign(value.begin(), value.end());
  return item;
}

}  // namespace pannier::spool
