#include "operator/agent_poller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "common/certificate_authority.h"
#include "common/clock.h"

namespace pannier {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kUri = "spiffe://td/ns/shop/sa/till/pod/uid-1";
constexpr const char* kReport = R"({"pod":{"uid":"uid-1"},"phase":"serving","queues":[]})";

WallTime now() { return wall_time(system_clock().now_ms()); }

struct Papers {
  std::string certificate, key;
};
Papers papers(const Authority& ca, const std::string& uri) {
  const auto key = PrivateKey::make();
  LeafRequest leaf;
  leaf.uris = {uri};
  leaf.is_server = leaf.is_client = true;
  leaf.validity = 1h;
  return {issue(ca, key->public_key(), leaf, now())->to_pem(), std::string(key->to_pem()->view())};
}

// An agent that answers one connection with a text, or with nothing.
class FakeAgent {
 public:
  FakeAgent(const Authority& ca, const std::string& uri, std::string answer)
      : answer_(std::move(answer)) {
    const Papers own = papers(ca, uri);
    const std::string root = ca.certificate.to_pem();
    tls_.use_certificate(asio::buffer(own.certificate), asio::ssl::context::pem);
    tls_.use_private_key(asio::buffer(own.key), asio::ssl::context::pem);
    tls_.add_certificate_authority(asio::buffer(root));
    tls_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeAgent() {
    done_.set_value();
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  bool was_asked() const { return was_asked_; }

 private:
  void serve() {
    boost::system::error_code failed;
    asio::ssl::stream<asio::ip::tcp::socket> stream(context_, tls_);
    acceptor_.accept(stream.next_layer(), failed);
    stream.handshake(asio::ssl::stream_base::server, failed);
    if (!failed && !answer_.empty()) {
      char piece[4096];
      was_asked_ = stream.read_some(asio::buffer(piece), failed) > 0;
      asio::write(stream, asio::buffer(answer_), failed);
      if (was_asked_) stream.shutdown(failed);
    }
    done_.get_future().wait();
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::make_address("127.0.0.1"), 0}};
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  const std::string answer_;
  std::atomic<bool> was_asked_ = false;
  std::promise<void> done_;
  std::thread thread_;
};

std::string http(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class AskStatusTest : public testing::Test {
 protected:
  Result<AgentReport> ask(const FakeAgent& agent, std::chrono::milliseconds timeout = 10s) const {
    return ask_status({"uid-1", "till", kUri, "127.0.0.1", agent.port()}, identity(), timeout);
  }
  OperatorIdentity identity() const {
    const Papers own = papers(ca_, "spiffe://td/ns/pannier/sa/pannier-operator/pod/x");
    return {own.certificate, own.key, ca_.certificate.to_pem()};
  }
  const Authority ca_ = *make_ca("test", 24h, now());
};

TEST_F(AskStatusTest, ReadsWhatAnAgentSays) {
  const FakeAgent agent(ca_, kUri, http(kReport));
  const auto report = ask(agent);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->phase, "serving");
}

TEST_F(AskStatusTest, AsksNobodyElseAtThatAddress) {
  const FakeAgent agent(ca_, "spiffe://td/ns/shop/sa/till/pod/uid-2", http(kReport));
  EXPECT_EQ(ask(agent).error().code, Errc::not_authenticated);
  EXPECT_FALSE(agent.was_asked());
}

TEST_F(AskStatusTest, TrustsItsOwnCaAlone) {
  const FakeAgent agent(*make_ca("other", 24h, now()), kUri, http(kReport));
  EXPECT_EQ(ask(agent).error().code, Errc::not_authenticated);
}

TEST_F(AskStatusTest, GivesUpInTime) {
  const FakeAgent agent(ca_, kUri, "");
  EXPECT_EQ(ask(agent, 300ms).error().code, Errc::timed_out);
}

TEST_F(AskStatusTest, TakesNoAnswerThatIsTooLargeOrNoReport) {
  const FakeAgent large(ca_, kUri, "HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n");
  EXPECT_EQ(ask(large).error().code, Errc::too_large);
  const FakeAgent wordy(ca_, kUri,
                        "HTTP/1.1 200 OK\r\nA: " + std::string(20'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(ask(wordy).error().code, Errc::too_large);
  const FakeAgent nonsense(ca_, kUri, http("nonsense"));
  EXPECT_EQ(ask(nonsense).error().code, Errc::bad_argument);
  const FakeAgent other(ca_, kUri, http(R"({"pod":{"uid":"uid-9"},"queues":[]})"));
  EXPECT_EQ(ask(other).error().code, Errc::bad_argument);
  const FakeAgent refusing(ca_, kUri, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(ask(refusing).error().code, Errc::bad_argument);
}

TEST_F(AskStatusTest, HandsReportsOnAndEndsAtOnce) {
  const FakeAgent agent(ca_, kUri, http(kReport));
  std::promise<std::string> told;
  const AgentPoller poller(
      {1h, 10s, 2},
      {[&] {
         return std::vector<AgentAddress>{{"uid-1", "till", kUri, "127.0.0.1", agent.port()}};
       },
       [this] { return identity(); },
       [&told](const AgentReport& report) { told.set_value(report.phase); }});
  EXPECT_EQ(told.get_future().get(), "serving");
}

}  // namespace
}  // namespace pannier
