#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/net/tls_pair.h"

namespace pannier::net {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

class TlsHardeningTest : public testing::Test {
 protected:
  TlsHardeningTest() {
    TlsOptions options{
        .chain = papers_.chain, .key = papers_.key, .roots = root_, .clock = &clock_};
    options.client_certificate = ClientCertificate::required;
    mutual_ = context_of(options);
    options.client_certificate = ClientCertificate::none;
    server_ = context_of(options);
    client_ = context_of({.role = TlsRole::client,
                          .chain = papers_.chain,
                          .key = papers_.key,
                          .roots = root_,
                          .clock = &clock_});
  }
  Pair pair() const { return {mutual_, client_, {.spiffe_uri = Office::uri("u")}}; }

  std::string answer_to(std::string_view text) const {
    End server(server_);
    server.feed(as_bytes(text));
    if (!server.error) return "no error";
    EXPECT_EQ(server.error->code, Errc::bad_frame);
    return server.error->detail;
  }

  const FakeClock clock_;
  const Office office_{clock_};
  const Papers papers_ = office_.peer("u");
  const std::string root_ = office_.root();
  std::shared_ptr<const TlsContext> mutual_;
  std::shared_ptr<const TlsContext> server_;
  std::shared_ptr<const TlsContext> client_;
};

// A client of OpenSSL's own that will do whatever we refuse.
class LaxClient {
 public:
  LaxClient(int version, const char* ciphers)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_set_cipher_list(context_.get(), ciphers);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
    ssl_.reset(SSL_new(context_.get()), SSL_free);
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }
  ~LaxClient() { ERR_clear_error(); }

  SSL* ssl() { return ssl_.get(); }
  // Talks until both are silent; true: the handshake is done.
  bool talk_to(End& server) {
    for (int turn = 0; turn < 10; ++turn) {
      char plain[256];
      const int size = SSL_read(ssl(), plain, sizeof plain);
      if (size > 0) got.append(plain, static_cast<std::size_t>(size));
      ERR_clear_error();
      char* data = nullptr;
      const long sent = BIO_get_mem_data(SSL_get_wbio(ssl()), &data);
      server.feed(as_bytes({data, static_cast<std::size_t>(sent)}));
      (void)BIO_reset(SSL_get_wbio(ssl()));
      BIO_write(SSL_get_rbio(ssl()), server.out.data(), static_cast<int>(server.out.size()));
      server.out.clear();
    }
    return SSL_is_init_finished(ssl()) == 1;
  }
  std::string got;

 private:
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
};

TEST_F(TlsHardeningTest, RefusesOldVersionsAndWeakCiphers) {
  const struct {
    int version;
    const char* ciphers;
    bool good;
  } cases[] = {
      {TLS1_VERSION, "ALL", false},
      {TLS1_1_VERSION, "ALL", false},
      {TLS1_2_VERSION, "ALL", true},
      {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
      {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
      {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},
      {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", false},
      {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", false},
      {TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA", false},
      {TLS1_2_VERSION, "AECDH-AES128-SHA", false},
      {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", false},
      {TLS1_2_VERSION, "AES128-GCM-SHA256", false},
      {TLS1_3_VERSION, "ALL", true},
  };
  for (const auto& it : cases) {
    End server(server_);
    LaxClient client(it.version, it.ciphers);
    EXPECT_EQ(client.talk_to(server), it.good) << it.version << " " << it.ciphers;
    EXPECT_EQ(server.stream.is_established(), it.good) << it.version << " " << it.ciphers;
    if (!it.good) {
      ASSERT_TRUE(server.error);
      EXPECT_EQ(server.error->code, Errc::bad_frame);
    }
  }
}

TEST_F(TlsHardeningTest, AnswersAKeyUpdateThatThePeerAsksFor) {
  End server(server_);
  LaxClient client(TLS1_3_VERSION, "ALL");
  ASSERT_TRUE(client.talk_to(server));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_write(client.ssl(), "ping", 4), 4);
    client.talk_to(server);
    server.say("pong");
    client.talk_to(server);
  }
  EXPECT_FALSE(server.error);
  EXPECT_EQ(server.got, "pingpingpingpingping");
  EXPECT_EQ(client.got, "pongpongpongpongpong");
}

TEST_F(TlsHardeningTest, DoesNotRenegotiateOrResume) {
  End server(server_);
  LaxClient client(TLS1_2_VERSION, "ALL");
  ASSERT_TRUE(client.talk_to(server));
  EXPECT_EQ(SSL_SESSION_has_ticket(SSL_get0_session(client.ssl())), 0);
  unsigned id_size = 0;
  SSL_SESSION_get_id(SSL_get0_session(client.ssl()), &id_size);
  EXPECT_EQ(id_size, 0u);
  SSL_renegotiate(client.ssl());
  SSL_do_handshake(client.ssl());
  char* hello = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(client.ssl()), &hello);
  ASSERT_GT(size, 0);
  server.feed(as_bytes({hello, static_cast<std::size_t>(size)}));
  ASSERT_FALSE(server.out.empty());
  EXPECT_EQ(server.out[0], std::byte{21}) << "not an alert";
  EXPECT_LT(server.out.size(), 64u) << "more than an alert";
}

TEST_F(TlsHardeningTest, SaysWhatElseIsSpokenToItsPort) {
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr("plain HTTP"));
  EXPECT_THAT(answer_to("DELETE /v1/queues/q/messages HTTP/1.1\r\n"), HasSubstr("plain HTTP"));
  EXPECT_THAT(answer_to(std::string_view("AMQP\0\0\x09\x01", 8)), HasSubstr("plain AMQP"));
  EXPECT_THAT(answer_to(std::string(100, '\0')), HasSubstr("TLS: "));
  End client(client_, TlsServer{.host = "localhost"});
  ASSERT_TRUE(client.stream.start(client.out));
  client.feed(as_bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
  ASSERT_TRUE(client.error);
  EXPECT_THAT(client.error->detail, HasSubstr("plain HTTP"));
}

TEST_F(TlsHardeningTest, StaysFailedOnceItHasFailed) {
  End server(server_);
  server.feed(as_bytes("GET / HTTP/1.1\r\n"));
  ASSERT_TRUE(server.error);
  server.error.reset();
  server.feed(as_bytes("more"));
  ASSERT_TRUE(server.error);
  EXPECT_THAT(server.error->detail, HasSubstr("plain HTTP"));
  const ByteView text[] = {as_bytes("text")};
  EXPECT_EQ(server.stream.encrypt(text, server.out).error().code, Errc::bad_frame);
  EXPECT_EQ(server.stream.on_end().error().code, Errc::bad_frame);
}

TEST_F(TlsHardeningTest, TakesGarbageForAnErrorAndNoMore) {
  Random random(11);
  for (int round = 0; round < 500; ++round) {
    std::string garbage(1 + random.below(600), '\0');
    for (char& c : garbage) c = static_cast<char>(random.next());
    if (round % 2 == 0) garbage.replace(0, 3, "\x16\x03\x01");
    End server(server_);
    server.feed(as_bytes(garbage));
    EXPECT_FALSE(server.stream.is_established());
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
}

// Changes byte `at` of what the sender puts out in its `turn`; false: it had no such byte.
bool flip_in_flight(Pair& pair, int turn, std::size_t at) {
  for (int now = 0; !pair.client.out.empty() || !pair.server.out.empty(); ++now) {
    End& from = now % 2 == 0 ? pair.client : pair.server;
    End& to = now % 2 == 0 ? pair.server : pair.client;
    if (now == turn) {
      if (at >= from.out.size()) return false;
      from.out[at] ^= std::byte{0x41};
    }
    Pair::carry(from, to);
  }
  return true;
}

TEST_F(TlsHardeningTest, NeverTakesAHandshakeThatWasChangedOnTheWay) {
  for (int turn = 0; turn < 3; ++turn) {
    for (std::size_t at = 0;; ++at) {
      Pair pair = this->pair();
      if (!flip_in_flight(pair, turn, at)) break;
      // The version in a record's head is for show; whatever is of meaning breaks the handshake.
      if (pair.is_established()) {
        EXPECT_TRUE(at < 3) << "turn " << turn << ", byte " << at;
        continue;
      }
      for (const End* end : {&pair.client, &pair.server}) {
        if (!end->error) continue;
        EXPECT_THAT(end->error->code,
                    AnyOf(Errc::bad_frame, Errc::not_authenticated, Errc::closed));
      }
      EXPECT_EQ(ERR_peek_error(), 0u);
    }
  }
}

TEST_F(TlsHardeningTest, DeliversWhatCameWholeBeforeARecordThatWasChanged) {
  Pair pair = this->pair();
  pair.run();
  ASSERT_TRUE(pair.is_established());
  pair.client.say("whole");
  const std::size_t size = pair.client.out.size();
  pair.client.say("changed");
  pair.client.out[size + 8] ^= std::byte{1};
  Pair::carry(pair.client, pair.server);
  EXPECT_EQ(pair.server.got, "whole");
  ASSERT_TRUE(pair.server.error);
  EXPECT_EQ(pair.server.error->code, Errc::bad_frame);
  EXPECT_FALSE(pair.server.out.empty()) << "no alert";
  Pair::carry(pair.server, pair.client);
  ASSERT_TRUE(pair.client.error);
  EXPECT_THAT(pair.client.error->detail, HasSubstr("the peer gave up"));
}

}  // namespace
}  // namespace pannier::net
