// ApiHarness: the HTTP API over a registry on a memory disk, without connections.
//
//   const auto sent = agent.post("/orders", "hello");
//   agent.turn();
//   EXPECT_EQ(sent->status(), 201);
//
// Nothing is synced before agent.turn().
#pragma once

#include <nlohmann/json.hpp>
#include <set>

#include "sidecar/http/api.h"
#include "tests/http/fake_exchange.h"
#include "tests/queue/queue_harness.h"

namespace pannier::http {

using Json = nlohmann::json;

class ApiAccess final : public queue::Access {
 public:
  void authenticate(queue::Credentials,
                    std::function<void(Result<queue::Principal>)> done) override {
    done(queue::Principal{queue::Principal::Kind::user, "guest"});
  }
  Result<void> may(const queue::Principal& principal, Verb verb,
                   std::string_view queue) const override {
    if (!denied.contains({verb, std::string(queue)})) return {};
    return Error{Errc::access_denied, "refused for user '" + principal.name + "'"};
  }
  Result<void> may_declare(const queue::Principal&) const override {
    if (!denies_declare) return {};
    return Error{Errc::access_denied, "clients may not declare here"};
  }

  std::set<std::pair<Verb, std::string>> denied;
  bool denies_declare = false;
};

class ApiExchange {
 public:
  explicit ApiExchange(Request request)
      : fake(std::make_shared<FakeExchange>(
            std::move(request), queue::Principal{queue::Principal::Kind::user, "guest"})) {}

  unsigned status() const { return fake->answered ? fake->answered->status : 0; }
  std::string body() const { return fake->answered ? fake->body() : std::string(); }
  Json json() const { return Json::parse(body(), nullptr, false); }
  std::string field(std::string_view name) const {
    if (!fake->answered) return "";
    for (const auto& [each, value] : fake->answered->fields)
      if (each == name) return value;
    return "";
  }
  FakeExchange* operator->() const { return fake.get(); }

  std::shared_ptr<FakeExchange> fake;
};

class ApiHarness : public queue::QueueHarness {
 public:
  explicit ApiHarness(spool::Disk& disk, const ApiLimits& limits = {})
      : queue::QueueHarness(disk),
        api(std::make_unique<ApiHandler>(*registry, access, clock, limits)) {
    on_room = [this] {
      if (api) api->on_room();
    };
    on_synced = [this] {
      if (api) api->on_synced(spool->synced_commit());
    };
  }
  ~ApiHarness() {
    api.reset();
    for (const auto& each : exchanges_)  // every connection ends once
      if (const auto exchange = each.lock()) exchange->goes();
  }

  ApiExchange asks(std::string method, std::string_view target, std::string_view body = "",
                   Fields fields = {}) {
    Request request;
    request.method = std::move(method);
    request.target = target;
    const std::size_t mark = std::min(target.find('?'), target.size());
    std::string_view path = target.substr(0, mark);
    while (!path.empty()) {
      path.remove_prefix(1);
      const std::size_t end = std::min(path.find('/'), path.size());
      request.segments.emplace_back(path.substr(0, end));
      path.remove_prefix(end);
    }
    if (mark < target.size()) {
      for (std::string_view query = target.substr(mark + 1); !query.empty();) {
        const std::string_view one = query.substr(0, query.find('&'));
        const std::size_t equals = one.find('=');
        request.query.emplace_back(one.substr(0, equals), one.substr(equals + 1));
        query.remove_prefix(std::min(one.size() + 1, query.size()));
      }
    }
    request.fields = std::move(fields);
    request.body = Slice::copy_of(body);
    return handles(std::move(request));
  }
  ApiExchange handles(Request request) {
    ApiExchange exchange(std::move(request));
    exchanges_.push_back(exchange.fake);
    api->handle(exchange.fake);
    return exchange;
  }
  ApiExchange gets(std::string_view target) { return asks("GET", target); }
  ApiExchange posts(std::string_view target, std::string_view body, Fields fields = {}) {
    return asks("POST", target, body, std::move(fields));
  }
  // One message by receive, with its receipt.
  Json receives(std::string_view queue, std::string_view body = "{}") {
    const auto received = posts("/v1/queues/" + std::string(queue) + "/receive", body);
    turn();
    EXPECT_EQ(received.status(), 200u) << received.body();
    received->written();
    return received.json()["messages"];
  }
  void passes(std::chrono::milliseconds time) {
    clock.advance(time);
    registry->on_time(clock.now());
    turn();
  }

  ApiAccess access;
  std::unique_ptr<ApiHandler> api;

 private:
  std::vector<std::weak_ptr<FakeExchange>> exchanges_;
};

}  // namespace pannier::http
