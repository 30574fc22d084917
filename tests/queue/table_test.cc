#include "sidecar/queue/table.h"

#include <gtest/gtest.h>

#include <random>

#include "sidecar/queue/properties.h"

namespace pannier::queue {
namespace {

Table every_type() {
  Table nested;
  nested.set("inner", std::string("text"));
  Array array;
  array.values = {Value(std::int32_t{-1}), Value(std::string("two")), Value(nested)};
  Table table;
  table.set("void", Value());
  table.set("bool", true);
  table.set("int8", std::int8_t{-8});
  table.set("uint8", std::uint8_t{200});
  table.set("int16", std::int16_t{-1600});
  table.set("uint16", std::uint16_t{60'000});
  table.set("int32", std::int32_t{-320'000});
  table.set("uint32", std::uint32_t{4'000'000'000});
  table.set("int64", std::int64_t{-64'000'000'000});
  table.set("float", 1.5F);
  table.set("double", -2.25);
  table.set("decimal", Decimal{2, -314});
  table.set("text", std::string("grüße"));
  table.set("bytes", ByteArray{{std::byte{0}, std::byte{255}}});
  table.set("time", Timestamp{1'800'000'000});
  table.set("array", array);
  table.set("table", nested);
  return table;
}

Bytes encoded(const Table& table) {
  Bytes bytes;
  ByteWriter writer(bytes);
  table.encode(writer);
  return bytes;
}

TEST(Table, CarriesEveryTypeOfValueThroughTheWireUnchanged) {
  const Bytes bytes = encoded(every_type());
  ByteReader in(bytes);
  const auto decoded = Table::decode(in);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_TRUE(in.done());
  EXPECT_EQ(*decoded, every_type());
  EXPECT_EQ(encoded(*decoded), bytes);
}

TEST(Table, RefusesEveryTruncation) {
  const Bytes bytes = encoded(every_type());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader in(ByteView(bytes).first(size));
    EXPECT_FALSE(Table::decode(in)) << size;
  }
}

TEST(Table, NeitherThrowsNorReadsPastTheEndOfNonsense) {
  std::mt19937_64 random(7);
  const Bytes good = encoded(every_type());
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = good;
    for (int change = 0; change < 3; ++change)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    ByteReader in(bytes);
    if (!Table::decode(in)) ++refused;
  }
  EXPECT_GT(refused, 1'000);
}

TEST(Table, RefusesWhatIsNestedTooDeeply) {
  Table table;
  for (int depth = 0; depth < 200; ++depth) {
    Table outer;
    outer.set("t", std::move(table));
    table = std::move(outer);
  }
  const Bytes bytes = encoded(table);
  ByteReader in(bytes);
  const auto decoded = Table::decode(in);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Errc::bad_syntax);
}

TEST(Table, CountsTheLastOfAKeyThatComesTwice) {
  Bytes inner;
  ByteWriter writer(inner);
  for (const std::uint8_t value : {std::uint8_t{1}, std::uint8_t{2}}) {
    writer.u8(1);
    writer.bytes(as_bytes("k"));
    writer.u8('B');
    writer.u8(value);
  }
  Bytes bytes;
  ByteWriter out(bytes);
  out.be(static_cast<std::uint32_t>(inner.size()));
  out.bytes(inner);
  ByteReader in(bytes);
  const auto decoded = Table::decode(in);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->size(), 1u);
  EXPECT_EQ(decoded->find("k")->as_integer(), 2);
}

TEST(Table, ComparesNumbersByValueAndKeysInAnyOrder) {
  Table a;
  a.set("x", std::int32_t{5});
  a.set("y", std::string("z"));
  Table b;
  b.set("y", std::string("z"));
  b.set("x", std::int64_t{5});
  EXPECT_EQ(a, b);
  b.set("x", std::int64_t{6});
  EXPECT_FALSE(a == b);
}

TEST(Properties, CarriesAllOfThemAndNone) {
  Properties all;
  all.content_type = "application/json";
  all.content_encoding = "gzip";
  all.headers = every_type();
  all.delivery_mode = std::uint8_t{2};
  all.priority = std::uint8_t{9};
  all.correlation_id = "c";
  all.reply_to = "amq.rabbitmq.reply-to";
  all.expiration = "60000";
  all.message_id = "id";
  all.timestamp = Timestamp{1};
  all.type = "t";
  all.user_id = "guest";
  all.app_id = "app";
  all.cluster_id = "cl";
  for (const Properties& properties : {all, Properties()}) {
    Bytes bytes;
    ByteWriter writer(bytes);
    properties.encode(writer);
    const auto decoded = Properties::decode(bytes);
    ASSERT_TRUE(decoded) << decoded.error().detail;
    EXPECT_EQ(*decoded, properties);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(Properties::decode(ByteView(bytes).first(size)));
  }
}

}  // namespace
}  // namespace pannier::queue
