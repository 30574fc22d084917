#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <vector>

#include "tests/net/tls_pair.h"

namespace pannier::net {
namespace {

using testing::HasSubstr;

class TlsTest : public testing::TestWithParam<TlsVersion> {
 protected:
  TlsOptions server_options() const {
    return {.chain = papers_.chain, .key = papers_.key, .version_max = version(), .clock = &clock_};
  }
  TlsOptions client_options() const {
    return {.role = TlsRole::client, .roots = root_, .version_max = version(), .clock = &clock_};
  }
  Pair pair() const {
    return {context_of(server_options()), context_of(client_options()), {.host = "localhost"}};
  }
  virtual TlsVersion version() const { return GetParam(); }

  const FakeClock clock_;
  const Office office_{clock_};
  const Papers papers_ = office_.server();
  const std::string root_ = office_.root();
};

std::string random_text(Random& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random.next());
  return text;
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsTest, testing::Values(TlsVersion::tls12, TlsVersion::tls13),
                         [](const auto& version) {
                           return version.param == TlsVersion::tls12 ? "Tls12" : "Tls13";
                         });

TEST_P(TlsTest, ShakesHandsAndTalksBothWays) {
  Pair pair = this->pair();
  pair.run();
  ASSERT_TRUE(pair.is_established()) << (pair.client.error ? pair.client.error->detail : "");
  EXPECT_EQ(pair.client.stream.protocol(), version() == TlsVersion::tls12 ? "TLSv1.2" : "TLSv1.3");
  EXPECT_EQ(pair.client.stream.cipher(), pair.server.stream.cipher());
  pair.client.say("hello");
  pair.server.say("welcome");
  pair.run();
  EXPECT_EQ(pair.server.got, "hello");
  EXPECT_EQ(pair.client.got, "welcome");
}

TEST_P(TlsTest, CarriesTenMegabytesBothWaysHoweverTheyAreCut) {
  Random random(7);
  Pair pair = this->pair();
  pair.run(&random);
  ASSERT_TRUE(pair.is_established());
  const std::string up = random_text(random, 10 << 20);
  const std::string down = random_text(random, 10 << 20);
  for (std::size_t at = 0; at < up.size();) {
    const std::size_t size = std::min<std::size_t>(up.size() - at, 1 + random.below(100'000));
    pair.client.say(std::string_view(up).substr(at, size));
    pair.server.say(std::string_view(down).substr(at, size));
    if (random.below(3) == 0) pair.run(&random);
    at += size;
  }
  pair.run(&random);
  EXPECT_TRUE(pair.server.got == up);
  EXPECT_TRUE(pair.client.got == down);
}

TEST_P(TlsTest, WorksByteByByteAndIsEstablishedByTheLastOne) {
  Pair pair = this->pair();
  while (!pair.client.out.empty() || !pair.server.out.empty()) {
    for (auto [from, to] : {std::pair{&pair.client, &pair.server}, {&pair.server, &pair.client}}) {
      for (const std::byte byte : std::exchange(from->out, {})) {
        ASSERT_FALSE(to->stream.is_established());
        ASSERT_EQ(to->stream.on_end().error().code, Errc::closed);
        to->feed({&byte, 1});
        ASSERT_FALSE(to->error) << to->error->detail;
      }
    }
  }
  EXPECT_TRUE(pair.is_established());
}

TEST_P(TlsTest, GathersSmallPiecesIntoOneRecord) {
  Pair pair = this->pair();
  pair.run();
  const std::string text(7, 'x');
  const std::vector<ByteView> pieces(1000, as_bytes(text));
  ASSERT_TRUE(pair.client.stream.encrypt(pieces, pair.client.out));
  EXPECT_LT(pair.client.out.size(), 7000u + 40);
  ASSERT_EQ(pair.client.out[0], std::byte{23});
  pair.run();
  EXPECT_EQ(pair.server.got, std::string(7000, 'x'));

  const std::string large(40'000, 'y');
  const ByteView mixed[] = {as_bytes("a"), as_bytes(large), {}, as_bytes("b")};
  ASSERT_TRUE(pair.client.stream.encrypt(mixed, pair.client.out));
  EXPECT_LT(pair.client.out.size(), 40'002u + 3 * 40) << "more than three records";
  pair.run();
  EXPECT_EQ(pair.server.got, std::string(7000, 'x') + "a" + large + "b");
}

TEST_P(TlsTest, SaysGoodbyeAndTellsItFromACut) {
  Pair pair = this->pair();
  pair.run();
  pair.client.say("last words");
  pair.client.stream.close_notify(pair.client.out);
  EXPECT_EQ(pair.server.stream.on_end().error().code, Errc::closed);
  pair.run();
  EXPECT_EQ(pair.server.got, "last words");
  EXPECT_TRUE(pair.server.stream.peer_closed());
  EXPECT_TRUE(pair.server.stream.on_end());
  EXPECT_EQ(pair.client.stream.on_end().error().code, Errc::closed);
  const ByteView more[] = {as_bytes("more")};
  EXPECT_EQ(pair.client.stream.encrypt(more, pair.client.out).error().code, Errc::closed);
  pair.server.say("still here");
  pair.server.stream.close_notify(pair.server.out);
  pair.run();
  EXPECT_EQ(pair.client.got, "still here");
  EXPECT_TRUE(pair.client.stream.on_end());
}

TEST_P(TlsTest, SendsNothingBeforeTheHandshakeIsDone) {
  Pair pair = this->pair();
  const ByteView early[] = {as_bytes("early")};
  const std::size_t size = pair.client.out.size();
  EXPECT_EQ(pair.client.stream.encrypt(early, pair.client.out).error().code, Errc::unexpected);
  pair.client.stream.close_notify(pair.client.out);
  EXPECT_EQ(pair.client.out.size(), size);
  pair.run();
  EXPECT_TRUE(pair.is_established());
}

TEST_P(TlsTest, LetsTheSinkAnswerOnItsOwnStream) {
  Pair pair = this->pair();
  pair.run();
  for (int i = 0; i < 20; ++i) pair.client.say(std::string(10'000, static_cast<char>('a' + i)));
  Bytes answer;
  const auto echo = [&](ByteView plain) {
    ASSERT_TRUE(pair.server.stream.encrypt(std::span(&plain, 1), answer));
  };
  ASSERT_TRUE(
      pair.server.stream.on_ciphertext(std::exchange(pair.client.out, {}), echo, pair.server.out));
  EXPECT_TRUE(pair.server.out.empty());
  pair.client.feed(answer);
  ASSERT_EQ(pair.client.got.size(), 200'000u);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(pair.client.got[i * 10'000], 'a' + char(i));
}

TEST_P(TlsTest, ChangesItsKeysAfterSoManyRecords) {
  TlsOptions server = server_options();
  TlsOptions client = client_options();
  server.records_per_key = 3;
  client.records_per_key = 2;
  Pair pair(context_of(server), context_of(client), {.host = "localhost"});
  pair.run();
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    const std::string text = "message " + std::to_string(i) + ";";
    expected += text;
    pair.client.say(text);
    pair.server.say(text);
    if (i % 5 == 0) pair.run();
  }
  pair.run();
  EXPECT_EQ(pair.server.got, expected);
  EXPECT_EQ(pair.client.got, expected);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsCounted = false;
#else
constexpr bool kMemoryIsCounted = true;
#endif

TEST_P(TlsTest, KeepsLittleMemoryForAConnectionThatIsIdle) {
  if (!kMemoryIsCounted) GTEST_SKIP() << "a sanitizer's allocator does not say";
  constexpr std::size_t kPairs = 1000;
  constexpr std::size_t kBytesMax = 40 << 10;
  const auto server = context_of(server_options());
  const auto client = context_of(client_options());
  std::vector<std::unique_ptr<Pair>> pairs;
  pairs.reserve(kPairs);
  const auto add = [&] {
    pairs.push_back(std::make_unique<Pair>(server, client, TlsServer{.host = "localhost"}));
    Pair& pair = *pairs.back();
    pair.run();
    pair.client.say("hello");
    pair.server.say("hello");
    pair.run();
    pair.client.out.shrink_to_fit();
    pair.server.out.shrink_to_fit();
  };
  add();  // and with it what is allocated only once
  const std::size_t before = mallinfo2().uordblks;
  for (std::size_t i = 1; i < kPairs; ++i) add();
  const std::size_t a_side = (mallinfo2().uordblks - before) / (kPairs - 1) / 2;
  std::printf("%s: %zu bytes a side of an idle connection\n",
              std::string(pairs.front()->client.stream.protocol()).c_str(), a_side);
  RecordProperty("bytes_a_side", std::to_string(a_side));
  EXPECT_TRUE(pairs.back()->is_established());
  EXPECT_LT(a_side, kBytesMax);
}

}  // namespace
}  // namespace pannier::net
