#include "sidecar/http/admin_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/http/fake_exchange.h"

namespace pannier::http {
namespace {

using testing::HasSubstr;

constexpr const char* kOperator = "spiffe://shop.local/ns/pannier/sa/pannier-operator/pod/op-1";
const net::PeerInfo kStranger{"10.0.0.9:4711", true, false, ""};
const net::PeerInfo kPlainLoopback{"127.0.0.1:4711", false, true, ""};

net::PeerInfo control_peer() {
  net::PeerInfo peer{"the control socket", false, true, ""};
  peer.is_control = true;
  return peer;
}
const net::PeerInfo kControl = control_peer();

net::PeerInfo with_certificate(std::string uri) { return {"10.0.0.9:1", true, false, uri}; }

Request request(std::string method, std::vector<std::string> segments) {
  Request made;
  made.method = std::move(method);
  for (const std::string& segment : segments) made.target += "/" + segment;
  made.segments = std::move(segments);
  made.fields = {{"Host", "127.0.0.1:9471"}};
  return made;
}

class RestHandler final : public Handler {
 public:
  Result<Plan> plan(const Request&) override { return Plan{Login::required, 42, true}; }
  void handle(const ExchangePtr& exchange) override {
    Response response;
    response.status = 299;
    exchange->answer(response);
  }
};

class AdminApiTest : public testing::Test {
 protected:
  std::shared_ptr<FakeExchange> ask(const net::PeerInfo& peer, Request request) {
    AdminApi api(source(), options, rest);
    EXPECT_TRUE(api.plan(request));
    auto exchange = std::make_shared<FakeExchange>(std::move(request));
    exchange->peer_info = peer;
    api.handle(exchange);
    EXPECT_TRUE(exchange->answered);
    return exchange;
  }
  unsigned status(const net::PeerInfo& peer, Request request) {
    return ask(peer, std::move(request))->answered->status;
  }
  AdminSource source() {
    return {[this] { return missing; }, [] { return std::string("a_metric 1\n"); },
            [this] {
              ++shown;
              return AdminStatus{};
            },
            [this] { ++drained; }};
  }

  AdminOptions options{"shop.local", false, false};
  Handler* rest = nullptr;
  std::string missing;
  int drained = 0, shown = 0;
};

TEST_F(AdminApiTest, AnybodyMayProbeAndScrape) {
  EXPECT_EQ(ask(kStranger, request("GET", {"healthz"}))->body(), "ok\n");
  EXPECT_EQ(status(kStranger, request("GET", {"readyz"})), 200u);
  const auto metrics = ask(kStranger, request("GET", {"metrics"}));
  EXPECT_EQ(metrics->answered->status, 200u);
  EXPECT_EQ(metrics->body(), "a_metric 1\n");
  EXPECT_EQ(metrics->answered->fields.front().second, kMetricsContentType);
}

TEST_F(AdminApiTest, WhatIsNotReadySaysWhatIsMissing) {
  missing = "no policy yet";
  const auto answer = ask(kStranger, request("GET", {"readyz"}));
  EXPECT_EQ(answer->answered->status, 503u);
  EXPECT_THAT(answer->body(), HasSubstr("no policy yet"));
  EXPECT_EQ(status(kStranger, request("GET", {"healthz"})), 200u);
}

TEST_F(AdminApiTest, StatusAndDrainNeedTheOperatorOrTheControlSocket) {
  const std::vector<net::PeerInfo> refused{
      kStranger, kPlainLoopback,
      with_certificate("spiffe://shop.local/ns/shop/sa/checkout/pod/c-1")};
  for (const net::PeerInfo& peer : refused) {
    EXPECT_EQ(status(peer, request("GET", {"v1", "status"})), 403u);
    EXPECT_EQ(status(peer, request("POST", {"drain"})), 403u);
  }
  EXPECT_EQ(shown, 0);
  EXPECT_EQ(drained, 0);
  for (const net::PeerInfo& peer : {kControl, with_certificate(kOperator)}) {
    EXPECT_EQ(status(peer, request("GET", {"v1", "status"})), 200u);
    EXPECT_EQ(status(peer, request("POST", {"drain"})), 202u);
  }
  EXPECT_EQ(shown, 2);
  EXPECT_EQ(drained, 2);
}

TEST_F(AdminApiTest, PlaintextOnLoopbackMayEverythingWhereItIsTrustedButNoPageOfABrowserMay) {
  options.trusts_loopback = true;
  EXPECT_EQ(status(kPlainLoopback, request("POST", {"drain"})), 202u);
  net::PeerInfo elsewhere = kPlainLoopback;
  elsewhere.is_loopback = false;
  EXPECT_EQ(status(elsewhere, request("POST", {"drain"})), 403u);
  net::PeerInfo over_tls = kPlainLoopback;
  over_tls.is_tls = true;
  EXPECT_EQ(status(over_tls, request("POST", {"drain"})), 403u);
  Request of_page = request("POST", {"drain"});
  of_page.fields.emplace_back("Origin", "https://evil.example");
  EXPECT_EQ(status(kPlainLoopback, of_page), 403u);
  Request renamed = request("POST", {"drain"});
  for (const char* const host :
       {"evil.example:9471", "evil.example", "", "127.0.0.1.evil.example", "[::1",
        "[::1]evil.example", "[::1]evil.example:9471", "localhost.evil.example:9471"}) {
    renamed.fields = {{"Host", host}};
    EXPECT_EQ(status(kPlainLoopback, renamed), 403u) << host;
  }
  renamed.fields.clear();
  EXPECT_EQ(status(kPlainLoopback, renamed), 403u);
  for (const char* const host : {"localhost:9471", "localhost", "[::1]:9471", "127.0.0.1"}) {
    renamed.fields = {{"host", host}};
    EXPECT_EQ(status(kPlainLoopback, renamed), 202u) << host;
  }
}

TEST_F(AdminApiTest, MetricsNeedRightsWhereTheConfigurationSaysSo) {
  options.metrics_need_rights = true;
  EXPECT_EQ(status(kStranger, request("GET", {"metrics"})), 403u);
  EXPECT_EQ(status(with_certificate(kOperator), request("GET", {"metrics"})), 200u);
  EXPECT_EQ(status(kControl, request("GET", {"metrics"})), 200u);
  EXPECT_EQ(status(kStranger, request("GET", {"healthz"})), 200u);
}

TEST_F(AdminApiTest, AnotherMethodIsRefusedAndDoesNothing) {
  const auto answer = ask(kControl, request("GET", {"drain"}));
  EXPECT_EQ(answer->answered->status, 405u);
  EXPECT_EQ(answer->answered->fields.back(),
            (std::pair<std::string, std::string>("Allow", "POST")));
  EXPECT_EQ(drained, 0);
  EXPECT_EQ(status(kControl, request("POST", {"v1", "status"})), 405u);
}

TEST_F(AdminApiTest, WhatItDoesNotKnowIsNotFoundOrGoesToTheRest) {
  const std::vector<std::vector<std::string>> paths{
      {}, {"orders"}, {"v1"}, {"v1/status"}, {"v1", "status", "x"}, {"drain", ""}};
  for (const auto& path : paths) EXPECT_EQ(status(kControl, request("GET", path)), 404u);
  RestHandler other;
  rest = &other;
  for (const auto& path : paths) EXPECT_EQ(status(kControl, request("GET", path)), 299u);
  EXPECT_EQ(status(kControl, request("GET", {"v1", "status"})), 200u);
  AdminApi api(source(), options, rest);
  EXPECT_EQ(api.plan(request("GET", {"orders"}))->body_bytes_max, 42u);
  EXPECT_EQ(api.plan(request("GET", {"healthz"}))->login, Login::none);
}

TEST(AdminRights, OnlyTheOperatorsCertificateIsTheOperators) {
  EXPECT_TRUE(is_operator(with_certificate(kOperator), "shop.local"));
  EXPECT_TRUE(is_operator(with_certificate("spiffe://shop.local/ns/any/sa/pannier-operator/pod/x"),
                          "shop.local"));
  for (const char* const uri : {"", "spiffe://other.local/ns/pannier/sa/pannier-operator/pod/op-1",
                                "spiffe://shop.local/ns/pannier/sa/pannier-operator2/pod/op-1",
                                "spiffe://shop.local/ns/pannier-operator/sa/default/pod/op-1",
                                "spiffe://shop.local/ns/pannier/sa/pannier-operator",
                                "spiffe://shop.local/ns/pannier/sa/pannier-operator/pod/op-1/more",
                                "spiffe://shop.local/ns/pannier/sa/Pannier-Operator/pod/op-1"})
    EXPECT_FALSE(is_operator(with_certificate(uri), "shop.local")) << uri;
  EXPECT_FALSE(is_operator(with_certificate(kOperator), ""));
  net::PeerInfo in_plaintext = with_certificate(kOperator);
  in_plaintext.is_tls = false;
  EXPECT_FALSE(is_operator(in_plaintext, "shop.local"));
}

TEST(AdminStatusJson, ShowsAllThatTheOperatorMakesStatusOf) {
  AdminStatus status;
  status.version = "1.2.3";
  status.pod = "checkout-0";
  status.phase = "draining";
  status.policy_version = "abc";
  status.policy_queues = 1;
  status.started_ms = 1'000;
  status.confirmed = 9;
  AdminQueue queue;
  queue.name = "orders";
  queue.uid = "u1";
  queue.generation = 3;
  queue.durability = "Disk";
  queue.numbers.messages_ready = 4;
  queue.numbers.acked = 5;
  queue.oldest_ms = 2'000;
  status.queues = {queue, {}};
  status.queues[1].name = "bad\xff";
  status.links = {{"shop-1", "pull", {7, 2.5, 9}}, {"shop-2", "push", {}}};
  status.certificates = {{"peer", 3'000}};
  status.queues[0].numbers.rejected = 6;
  status.spool = {100, 1'000, 50, 2, 0, true, AdminEncryption{7, {0, 6}, true, "no key 7"}};
  const auto json = nlohmann::json::parse(to_json(status), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["phase"], "draining");
  EXPECT_EQ(json["pod"]["name"], "checkout-0");
  EXPECT_EQ(json["policy"]["version"], "abc");
  EXPECT_EQ(json["startedAt"], "1970-01-01T00:00:01.000Z");
  EXPECT_EQ(json["confirmed"], 9);
  ASSERT_EQ(json["queues"].size(), 2u);
  EXPECT_EQ(json["queues"][0]["name"], "orders");
  EXPECT_EQ(json["queues"][0]["generation"], 3);
  EXPECT_EQ(json["queues"][0]["ready"], 4);
  EXPECT_EQ(json["queues"][0]["oldestMessageTime"], "1970-01-01T00:00:02.000Z");
  EXPECT_EQ(json["queues"][0]["counters"]["acked"], 5);
  EXPECT_FALSE(json["queues"][1].contains("oldestMessageTime"));
  EXPECT_EQ(json["links"]["pull"][0]["peer"], "shop-1");
  EXPECT_EQ(json["links"]["pull"][0]["lag"], 7);
  EXPECT_EQ(json["links"]["push"].size(), 1u);
  EXPECT_EQ(json["certificates"][0]["expiresAt"], "1970-01-01T00:00:03.000Z");
  EXPECT_EQ(json["spool"]["full"], true);
  EXPECT_EQ(json["queues"][0]["counters"]["deaths"]["rejected"], 6);
  const auto& encryption = json["spool"]["encryption"];
  EXPECT_EQ(encryption["currentKey"], 7);
  EXPECT_EQ(encryption["keysInUse"], nlohmann::json({0, 6}));
  EXPECT_EQ(encryption["required"], true);
  EXPECT_EQ(encryption["error"], "no key 7");
}

TEST(AdminStatusJson, AnAgentWithoutAnythingShowsEmptyLists) {
  const auto json = nlohmann::json::parse(to_json({}), nullptr, false);
  for (const char* const list : {"queues", "certificates"}) EXPECT_TRUE(json[list].is_array());
  EXPECT_TRUE(json["links"]["pull"].is_array());
  EXPECT_FALSE(json["spool"].contains("encryption"));
}

}  // namespace
}  // namespace pannier::http
