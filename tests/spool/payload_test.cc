#include "sidecar/spool/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/spool/codec_checks.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The optional fields that the bits of `fields` choose, all bits of each set.
Target target_with(unsigned fields) {
  Target target;
  target.queue = ~QueueId{0};
  target.sequence = ~Sequence{0};
  target.priority = 255;
  target.delivery_count = 65'535;
  target.redelivered = (fields & 1) != 0;
  target.transient = (fields & 2) != 0;
  if (fields & 4) target.due = -1;
  if (fields & 8) target.expiry = std::numeric_limits<Milliseconds>::max();
  if (fields & 16) target.group = ~std::uint64_t{0};
  if (fields & 32) target.acquired_count = 65'535;
  if (fields & 64) target.reason = 255;
  return target;
}

void expect_same(const Target& a, const Target& b) {
  EXPECT_EQ(a.queue, b.queue);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.priority, b.priority);
  EXPECT_EQ(a.delivery_count, b.delivery_count);
  EXPECT_EQ(a.redelivered, b.redelivered);
  EXPECT_EQ(a.transient, b.transient);
  EXPECT_EQ(a.due, b.due);
  EXPECT_EQ(a.expiry, b.expiry);
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.acquired_count, b.acquired_count);
  EXPECT_EQ(a.reason, b.reason);
}

void expect_same(const MessageMeta& a, const MessageMeta& b) {
  EXPECT_EQ(a.published, b.published);
  EXPECT_EQ(a.body_size, b.body_size);
  EXPECT_EQ(a.body_id, b.body_id);
  EXPECT_EQ(a.parts, b.parts);
  EXPECT_EQ(a.head_size, b.head_size);
  EXPECT_EQ(a.attributes, b.attributes);
  ASSERT_EQ(a.targets.size(), b.targets.size());
  for (std::size_t i = 0; i < a.targets.size(); ++i) expect_same(a.targets[i], b.targets[i]);
}

MessageMeta message_with_everything() {
  MessageMeta message;
  message.published = 1'790'000'000'000;
  message.body_size = ~std::uint64_t{0};
  message.body_id = ~BodyId{0};
  message.parts = ~std::uint32_t{0};
  message.head_size = ~std::uint32_t{0};
  for (unsigned fields = 0; fields < 128; ++fields) message.targets.push_back(target_with(fields));
  message.attributes = Bytes(255, std::byte{0xAA});
  return message;
}

template <typename T>
Bytes encoded(const T& value) {
  Bytes bytes;
  value.encode(bytes);
  return bytes;
}
Bytes encoded(const std::vector<SettleTarget>& targets) {
  Bytes bytes;
  encode_settles(targets, bytes);
  return bytes;
}

bool is_message(ByteView bytes) { return bool(MessageMeta::decode(bytes)); }
bool is_part(ByteView bytes) { return bool(PartMeta::decode(bytes)); }
bool are_settles(ByteView bytes) { return bool(decode_settles(bytes)); }
bool is_state(ByteView bytes) {
  ByteReader in(bytes);
  return bool(StateItem::decode(in));
}

TEST(MessagePayload, KeepsAMessageOfNothing) {
  const Bytes bytes = encoded(MessageMeta{});
  EXPECT_EQ(bytes.size(), MessageMeta::kFixedSize);
  const auto message = MessageMeta::decode(bytes);
  ASSERT_TRUE(message);
  expect_same(*message, MessageMeta{});
}

TEST(MessagePayload, KeepsEveryChoiceOfFieldsAtTheirExtremes) {
  const MessageMeta before = message_with_everything();
  const auto after = MessageMeta::decode(encoded(before));
  ASSERT_TRUE(after) << after.error().detail;
  expect_same(before, *after);
}

TEST(MessagePayload, KeepsTheMostEntriesAndAttributesBeyond64KiB) {
  MessageMeta before;
  for (unsigned i = 0; i < 65'535; ++i) {
    before.targets.push_back(target_with(127));
    before.targets.back().queue = i;
  }
  before.attributes = Bytes(200'000, std::byte{7});
  const Bytes bytes = encoded(before);
  EXPECT_EQ(bytes.size(), MessageMeta::kFixedSize + 65'535 * MessageMeta::kEntrySizeMax + 200'000);
  const auto after = MessageMeta::decode(bytes);
  ASSERT_TRUE(after) << after.error().detail;
  expect_same(before, *after);
  EXPECT_THAT(prefixes_taken(bytes, is_message, 65'521), IsEmpty());
}

TEST(MessagePayload, RefusesEveryPrefixAndEveryTail) {
  Bytes bytes = encoded(message_with_everything());
  EXPECT_THAT(prefixes_taken(bytes, is_message), IsEmpty());
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(is_message(bytes));
}

TEST(MessagePayload, StepsOverNoFieldThatItDoesNotKnow) {
  MessageMeta message;
  message.targets.push_back(target_with(0));
  Bytes bytes = encoded(message);
  constexpr std::size_t kFlagsAt = MessageMeta::kFixedSize + 13;
  for (const unsigned bit : {64u, 128u}) {
    bytes[kFlagsAt] = static_cast<std::byte>(bit);
    const auto decoded = MessageMeta::decode(bytes);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, Errc::wrong_version);
  }
}

TEST(MessagePayload, SurvivesDamage) {
  try_damaged(encoded(message_with_everything()), is_message, 1);
}

TEST(PartPayload, GivesBackWhatWasPutIn) {
  const Bytes bytes = encoded(PartMeta{~BodyId{0}, ~std::uint32_t{0}});
  EXPECT_EQ(bytes.size(), PartMeta::kSize);
  const auto part = PartMeta::decode(bytes);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->body_id, ~BodyId{0});
  EXPECT_EQ(part->index, ~std::uint32_t{0});
  EXPECT_THAT(prefixes_taken(bytes, is_part), IsEmpty());
  EXPECT_FALSE(is_part(Bytes(PartMeta::kSize + 1)));
  try_damaged(bytes, is_part, 2, 1000);
}

std::vector<SettleTarget> settles_with_everything() {
  std::vector<SettleTarget> targets(3);
  targets[0].segment = 1;
  targets[0].settled = {{0, 0}, {2, 65'535}};
  targets[1].segment = ~SegmentNumber{0};
  targets[1].changed = {{65'535, 65'535, 65'534, true, 255, -1}, {0, 0, 0, false, 0, 0}};
  targets[2].segment = 3;
  targets[2].settled = {{9, 12}};
  targets[2].changed = {{13, 1, 2, true, 3, 1'790'000'000'000}};
  return targets;
}

void expect_same(const std::vector<SettleTarget>& a, const std::vector<SettleTarget>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].segment, b[i].segment);
    EXPECT_EQ(a[i].settled, b[i].settled);
    EXPECT_EQ(a[i].changed, b[i].changed);
  }
}

TEST(SettlePayload, GivesBackWhatWasPutIn) {
  const auto before = settles_with_everything();
  const Bytes bytes = encoded(before);
  EXPECT_EQ(bytes.size(), 3 * 16u + 3 * 4 + 3 * 16);
  const auto after = decode_settles(bytes);
  ASSERT_TRUE(after);
  expect_same(before, *after);
  EXPECT_THAT(decode_settles({}).value(), IsEmpty());
}

TEST(SettlePayload, KeepsEveryOtherEntryOfAFullSegmentAndAChangeOfEach) {
  SettleTarget target{7, {}, {}};
  for (unsigned at = 0; at < kEntriesPerSegmentMax; ++at) {
    const auto ordinal = static_cast<Ordinal>(at);
    if (at % 2 == 0) target.settled.push_back({ordinal, ordinal});
    target.changed.push_back({ordinal, ordinal, ordinal, true, 1, at});
  }
  const auto after = decode_settles(encoded({target}));
  ASSERT_TRUE(after);
  expect_same({target}, *after);
}

// One target follows another without a count: what ends between two is whole. The record's checksum
// sees that it is not all.
TEST(SettlePayload, TakesNoPrefixButWholeTargets) {
  const Bytes bytes = encoded(settles_with_everything());
  EXPECT_THAT(prefixes_taken(bytes, are_settles), ElementsAre(0, 16 + 8, 16 + 8 + 16 + 32));
}

TEST(SettlePayload, RefusesARangeThatRunsBackwards) {
  EXPECT_FALSE(are_settles(encoded({SettleTarget{1, {{5, 4}}, {}}})));
}

TEST(SettlePayload, SurvivesDamage) {
  try_damaged(encoded(settles_with_everything()), are_settles, 3);
  Bytes huge = encoded({SettleTarget{1, {}, {}}});
  store_le(huge.data() + 8, ~std::uint32_t{0});
  store_le(huge.data() + 12, ~std::uint32_t{0});
  EXPECT_FALSE(are_settles(huge));
}

TEST(RangesOf, FindsTheFewestRanges) {
  using Ranges = std::vector<OrdinalRange>;
  EXPECT_THAT(ranges_of({}), IsEmpty());
  EXPECT_EQ(ranges_of({7}), (Ranges{{7, 7}}));
  EXPECT_EQ(ranges_of({3, 1, 2}), (Ranges{{1, 3}}));
  EXPECT_EQ(ranges_of({5, 1, 5, 2, 9, 1}), (Ranges{{1, 2}, {5, 5}, {9, 9}}));
  EXPECT_EQ(ranges_of({65'535, 0, 65'534}), (Ranges{{0, 0}, {65'534, 65'535}}));
}

TEST(RangesOf, NamesJustTheOrdinalsThatWereGiven) {
  Random random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<Ordinal> ordinals(random.below(300));
    for (Ordinal& ordinal : ordinals) ordinal = static_cast<Ordinal>(random.below(500));
    std::set<unsigned> named;
    unsigned last = 0;
    for (const OrdinalRange& range : ranges_of(ordinals)) {
      EXPECT_TRUE(named.empty() || range.first > last + 1) << "ranges that touch";
      last = range.last;
      for (unsigned at = range.first; at <= range.last; ++at) named.insert(at);
    }
    EXPECT_EQ(named, std::set<unsigned>(ordinals.begin(), ordinals.end()));
  }
}

TEST(StatePayload, GivesBackItemsOneAfterTheOther) {
  const std::vector<StateItem> before = {
      {StateKind::segments, false, {}, {}},
      {StateKind::queue, true, Bytes(255, std::byte{1}), {}},
      {StateKind::first_above, false, Bytes(65'535, std::byte{2}), Bytes(100'000, std::byte{3})},
      {static_cast<StateKind>(255), false, Bytes(4, std::byte{4}), Bytes(1)},
  };
  Bytes bytes;
  std::size_t size = 0;
  for (const StateItem& item : before) {
    item.encode(bytes);
    size += item.encoded_size();
  }
  EXPECT_EQ(bytes.size(), size);
  ByteReader in(bytes);
  for (const StateItem& item : before) {
    const auto after = StateItem::decode(in);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->kind, item.kind);
    EXPECT_EQ(after->erased, item.erased);
    EXPECT_EQ(after->key, item.key);
    EXPECT_EQ(after->value, item.value);
  }
  EXPECT_TRUE(in.done());
}

TEST(StatePayload, RefusesEveryPrefixOfAnItem) {
  const StateItem item{StateKind::queue, false, Bytes(255, std::byte{1}), Bytes(300, std::byte{2})};
  EXPECT_THAT(prefixes_taken(encoded(item), is_state), IsEmpty());
  try_damaged(encoded(item), is_state, 4);
}

}  // namespace
}  // namespace pannier::spool
