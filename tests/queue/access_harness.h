// AccessHarness: a PolicyAccess with executors and a clock run by hand, which writes down every
// password check and every log line.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/log.h"
#include "sidecar/queue/policy_access.h"
#include "tests/support/fake_clock.h"
#include "tests/support/manual_executor.h"

namespace pannier::queue {

// A hash as cheap as a policy may hold; unequal passwords have unequal ones.
inline std::string cheap_hash(std::string_view password) {
  return hash_password(password, {10, 1, 1});
}

inline Credentials login(std::string_view user, std::string_view password) {
  return {Credentials::Kind::password, std::string(user), std::string(password), {}};
}

inline Principal user(std::string_view name) { return {Principal::Kind::user, std::string(name)}; }
inline Principal account(std::string_view name) {
  return {Principal::Kind::service_account, std::string(name)};
}
inline Principal agent(std::string_view uid) { return {Principal::Kind::agent, std::string(uid)}; }

class AccessHarness {
 public:
  using Answer = std::shared_ptr<std::optional<Result<Principal>>>;

  explicit AccessHarness(PolicyAccessOptions options = {}) {
    log::set_sink([this](std::string_view line) { lines.emplace_back(line); });
    options.trust_domain = "demo.local";
    options.namespace_name = "shop";
    options.login.matches = [this](std::string_view hash, std::string_view password) {
      checked.emplace_back(hash);
      return matches_password(hash, password);
    };
    access = std::make_unique<PolicyAccess>(loop, pool, clock, options);
  }
  ~AccessHarness() {
    access.reset();
    log::set_sink({});
  }
  AccessHarness(const AccessHarness&) = delete;
  AccessHarness& operator=(const AccessHarness&) = delete;

  Answer begin(Credentials credentials) {
    auto answer = std::make_shared<std::optional<Result<Principal>>>();
    access->authenticate(std::move(credentials), [answer](Result<Principal> result) {
      answer->emplace(std::move(result));
    });
    return answer;
  }
  void run() {
    while (pool.run_one() || loop.run_one()) {}
  }
  // The principal, or nothing and the error.
  std::optional<Principal> principal(Credentials credentials) {
    const Answer answer = begin(std::move(credentials));
    run();
    if (!answer->has_value()) {
      ADD_FAILURE() << "no answer";
      return std::nullopt;
    }
    if (**answer) return ***answer;
    error = (*answer)->error();
    return std::nullopt;
  }
  void pass(std::chrono::milliseconds time) {
    clock.advance(time);
    access->on_time(clock.now());
  }
  std::string all_lines() const {
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return all;
  }

  FakeClock clock;
  ManualExecutor loop;
  ManualExecutor pool;
  std::vector<std::string> checked;  // hashes
  std::vector<std::string> lines;
  std::optional<Error> error;
  std::unique_ptr<PolicyAccess> access;
};

}  // namespace pannier::queue
