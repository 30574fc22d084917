#include "sidecar/queue/password_login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/scrypt_text.h"
#include "tests/queue/access_harness.h"

namespace pannier::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

Timestamp in(const FakeClock& clock, seconds time) {
  return Timestamp(std::chrono::duration_cast<seconds>(milliseconds{clock.now_ms()}) + time);
}

Policy policy_with(std::vector<PolicyUser> users) {
  Policy policy;
  policy.users = std::move(users);
  return policy;
}

Policy sample() { return policy_with({{"ops", {{cheap_hash("right"), std::nullopt}}}}); }

TEST(PasswordLogin, GivesTheUserForTheRightPasswordOnly) {
  AccessHarness harness;
  harness.access->apply(sample());
  EXPECT_EQ(harness.principal(login("ops", "right")), user("ops"));
  for (const auto& [name, password] :
       {std::pair{"ops", "wrong"}, {"ops", ""}, {"Ops", "right"}, {"", "right"}, {"", ""}}) {
    EXPECT_FALSE(harness.principal(login(name, password))) << name;
    EXPECT_EQ(harness.error->code, Errc::not_authenticated);
    EXPECT_EQ(harness.error->detail, not_authenticated().detail);
  }
}

TEST(PasswordLogin, ChecksOnThePoolAndAnswersOnTheLoop) {
  AccessHarness harness;
  harness.access->apply(sample());
  const auto answer = harness.begin(login("ops", "right"));
  EXPECT_TRUE(harness.checked.empty());
  ASSERT_EQ(harness.pool.size(), 1u);
  harness.pool.run_all();
  EXPECT_FALSE(answer->has_value());
  harness.loop.run_all();
  EXPECT_TRUE(answer->has_value());
}

TEST(PasswordLogin, TakesBothPasswordsDuringARotation) {
  AccessHarness harness;
  harness.access->apply(policy_with(
      {{"ops", {{cheap_hash("old"), in(harness.clock, seconds{30})}, {cheap_hash("new"), {}}}}}));
  EXPECT_EQ(harness.principal(login("ops", "old")), user("ops"));
  EXPECT_EQ(harness.principal(login("ops", "new")), user("ops"));
}

TEST(PasswordLogin, RefusesAPasswordFromItsEndOnEvenIfCached) {
  AccessHarness harness;
  harness.access->apply(
      policy_with({{"ops", {{cheap_hash("old"), in(harness.clock, seconds{30})}}}}));
  EXPECT_TRUE(harness.principal(login("ops", "old")));
  harness.pass(milliseconds{29'999});
  EXPECT_TRUE(harness.principal(login("ops", "old")));
  EXPECT_EQ(harness.checked.size(), 1u);
  harness.pass(milliseconds{1});
  EXPECT_FALSE(harness.principal(login("ops", "old")));
}

TEST(PasswordLogin, RefusesAPasswordWhoseTimeEndsWhileItIsChecked) {
  AccessHarness harness;
  harness.access->apply(
      policy_with({{"ops", {{cheap_hash("old"), in(harness.clock, seconds{30})}}}}));
  const auto answer = harness.begin(login("ops", "old"));
  harness.pass(seconds{30});
  harness.run();
  ASSERT_TRUE(answer->has_value());
  EXPECT_FALSE(**answer);
}

TEST(PasswordLogin, SparesTheCheckForAMinuteAfterAGoodLogin) {
  AccessHarness harness;
  harness.access->apply(sample());
  EXPECT_TRUE(harness.principal(login("ops", "right")));
  for (int i = 0; i < 100; ++i) {
    const auto answer = harness.begin(login("ops", "right"));
    EXPECT_TRUE(answer->has_value()) << "at once";
    EXPECT_EQ(harness.pool.size(), 0u);
  }
  EXPECT_FALSE(harness.principal(login("ops", "wrong")));
  EXPECT_FALSE(harness.principal(login("ops", "wrong")));
  EXPECT_EQ(harness.checked.size(), 3u) << "failures are not cached";
  harness.pass(seconds{60});
  EXPECT_TRUE(harness.principal(login("ops", "right")));
  EXPECT_EQ(harness.checked.size(), 4u);
}

TEST(PasswordLogin, ForgetsTheOldestGoodLoginBeyondItsLimit) {
  PolicyAccessOptions options;
  options.login.cached_max = 2;
  AccessHarness harness(options);
  harness.access->apply(policy_with({{"a", {{cheap_hash("x"), {}}}},
                                     {"b", {{cheap_hash("x"), {}}}},
                                     {"c", {{cheap_hash("x"), {}}}}}));
  for (const char* name : {"a", "b", "c", "b", "c"})
    EXPECT_TRUE(harness.principal(login(name, "x")));
  EXPECT_EQ(harness.checked.size(), 3u);
  EXPECT_TRUE(harness.principal(login("a", "x")));
  EXPECT_EQ(harness.checked.size(), 4u);
}

TEST(PasswordLogin, ForgetsGoodLoginsAtEachPolicy) {
  AccessHarness harness;
  harness.access->apply(sample());
  EXPECT_TRUE(harness.principal(login("ops", "right")));
  harness.access->apply(policy_with({{"ops", {{cheap_hash("changed"), {}}}}}));
  EXPECT_FALSE(harness.principal(login("ops", "right")));
  EXPECT_TRUE(harness.principal(login("ops", "changed")));
}

TEST(PasswordLogin, JudgesALoginUnderWayByTheNewPolicy) {
  AccessHarness harness;
  harness.access->apply(sample());
  const auto before = harness.begin(login("ops", "right"));
  harness.pool.run_all();
  harness.access->apply(policy_with({{"ops", {{cheap_hash("changed"), {}}}}}));
  harness.run();
  ASSERT_TRUE(before->has_value());
  EXPECT_FALSE(**before);
  const auto after = harness.begin(login("ops", "right"));
  harness.pool.run_all();
  harness.access->apply(sample());
  harness.run();
  ASSERT_TRUE(after->has_value());
  EXPECT_TRUE(**after);
}

TEST(PasswordLogin, WorksAsHardForEveryUserWhoFailsKnownOrNot) {
  AccessHarness harness;
  const auto past = in(harness.clock, seconds{-1});
  harness.access->apply(
      policy_with({{"one", {{cheap_hash("x"), {}}}},
                   {"rotating", {{cheap_hash("x"), {}}, {cheap_hash("y"), {}}}},
                   {"expired", {{cheap_hash("x"), past}, {cheap_hash("wrong"), past}}}}));
  std::vector<std::string> costs;
  for (const char* name : {"one", "rotating", "expired", "unknown"}) {
    harness.checked.clear();
    EXPECT_FALSE(harness.principal(login(name, "wrong"))) << name;
    std::string cost;
    for (const std::string& hash : harness.checked) cost += hash.substr(0, hash.find('$', 8)) + " ";
    costs.push_back(cost);
  }
  EXPECT_THAT(costs, testing::Each("$scrypt$ln=10,r=1,p=1 $scrypt$ln=10,r=1,p=1 "));
}

TEST(PasswordLogin, WorksForAnUnknownUserWhereThereAreNoUsers) {
  AccessHarness harness;
  EXPECT_FALSE(harness.principal(login("unknown", "wrong")));
  ASSERT_EQ(harness.checked.size(), 1u);
  EXPECT_TRUE(harness.checked[0].starts_with("$scrypt$ln=15,r=8,p=1$"));
}

TEST(PasswordLogin, KnowsThePodsCredentialAtOnceAndAWrongOneLikeAnyOther) {
  AccessHarness harness;
  harness.access->apply(sample());
  harness.access->set_pod_credential("app", "pod-secret", "checkout");
  const auto answer = harness.begin(login("app", "pod-secret"));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(***answer, account("checkout"));
  EXPECT_EQ(harness.pool.size(), 0u);
  for (const char* password : {"pod-secre", "pod-secret ", "", "right"})
    EXPECT_FALSE(harness.principal(login("app", password)));
  EXPECT_EQ(harness.checked.size(), 4u);
  EXPECT_FALSE(harness.principal(login("ap", "ppod-secret")));
  harness.access->set_pod_credential("app", "another", "checkout");
  EXPECT_TRUE(harness.principal(login("app", "another")));
  EXPECT_FALSE(harness.begin(login("app", "pod-secret"))->has_value());
}

TEST(PasswordLogin, SharesOneCheckAmongEqualAttempts) {
  AccessHarness harness;
  harness.access->apply(sample());
  std::vector<AccessHarness::Answer> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(harness.begin(login("ops", "right")));
  harness.run();
  EXPECT_EQ(harness.checked.size(), 1u);
  for (const auto& answer : answers) EXPECT_TRUE(answer->has_value() && **answer);
}

TEST(PasswordLogin, RefusesAttemptsBeyondItsLimitsUntilThereIsRoomAgain) {
  PolicyAccessOptions options;
  options.login.attempts_max = 5;
  options.login.attempts_per_user_max = 3;
  options.login.callers_max = 7;
  AccessHarness harness(options);
  harness.access->apply(sample());
  const auto refused = [&](Credentials credentials) {
    const auto answer = harness.begin(std::move(credentials));
    return answer->has_value() && !**answer && (*answer)->error().code == Errc::limit_reached;
  };
  for (const char* password : {"1", "2", "3"}) EXPECT_FALSE(refused(login("ops", password)));
  EXPECT_TRUE(refused(login("ops", "4"))) << "of one user";
  EXPECT_FALSE(refused(login("b", "1")));
  EXPECT_FALSE(refused(login("c", "1")));
  EXPECT_TRUE(refused(login("d", "1"))) << "of all";
  EXPECT_FALSE(refused(login("c", "1"))) << "shares a check";
  EXPECT_FALSE(refused(login("c", "1")));
  EXPECT_TRUE(refused(login("c", "1"))) << "too many callers";
  EXPECT_EQ(harness.pool.size(), 1u) << "the pool is not ours alone";
  harness.run();
  EXPECT_EQ(harness.checked.size(), 5u);
  EXPECT_EQ(harness.principal(login("ops", "right")), user("ops"));
}

TEST(PasswordLogin, RefusesACredentialThatIsTooLargeWithoutChecking) {
  AccessHarness harness;
  EXPECT_FALSE(harness.principal(login("ops", std::string(4'094, 'x'))));
  EXPECT_EQ(harness.error->code, Errc::not_authenticated);
  EXPECT_TRUE(harness.checked.empty());
}

TEST(PasswordLogin, SlowsAUserDownAfterFiveFailuresWithinAMinute) {
  PolicyAccessOptions options;
  options.login.slowdown.delay.jitter = Jitter::none;
  AccessHarness harness(options);
  harness.access->apply(sample());
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(harness.principal(login("ops", "wrong")));
  EXPECT_FALSE(harness.access->deadline());
  for (const int delay : {500, 1'000, 2'000, 4'000, 5'000, 5'000}) {
    const auto answer = harness.begin(login("ops", "wrong"));
    EXPECT_EQ(harness.access->deadline(), harness.clock.now() + milliseconds{delay});
    harness.pass(milliseconds{delay - 1});
    harness.run();
    EXPECT_FALSE(answer->has_value()) << delay;
    harness.pass(milliseconds{1});
    harness.run();
    EXPECT_TRUE(answer->has_value()) << delay;
    EXPECT_FALSE(harness.access->deadline());
  }
  EXPECT_FALSE(harness.principal(login("other", "wrong"))) << "only that user";
}

TEST(PasswordLogin, HoldsARightPasswordBackTooThenForgetsTheFailures) {
  AccessHarness harness;
  harness.access->apply(sample());
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(harness.principal(login("ops", "wrong")));
  const auto answer = harness.begin(login("ops", "right"));
  harness.run();
  EXPECT_FALSE(answer->has_value());
  harness.pass(seconds{5});
  harness.run();
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(**answer);
  EXPECT_FALSE(harness.principal(login("ops", "wrong"))) << "not held back";
}

TEST(PasswordLogin, ForgetsFailuresAfterAMinute) {
  AccessHarness harness;
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(harness.principal(login("ops", "wrong")));
  harness.pass(seconds{60});
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(harness.principal(login("ops", "wrong")));
  EXPECT_FALSE(harness.begin(login("ops", "wrong"))->has_value());
  harness.pass(seconds{60});
  harness.run();
  harness.pass(seconds{60});
  EXPECT_FALSE(harness.principal(login("ops", "wrong"))) << "not held back";
}

TEST(PasswordLogin, LetsCachedLoginsAndThePodInWhileTheirNameIsSlowed) {
  AccessHarness harness;
  harness.access->apply(sample());
  harness.access->set_pod_credential("app", "pod-secret", "checkout");
  EXPECT_TRUE(harness.principal(login("ops", "right")));
  for (const char* name : {"ops", "app"})
    for (int i = 0; i < 6; ++i) (void)harness.begin(login(name, "wrong")), harness.run();
  EXPECT_TRUE(harness.begin(login("ops", "right"))->has_value());
  EXPECT_TRUE(harness.begin(login("app", "pod-secret"))->has_value());
}

// Somebody fails with a user's name, as often and as many at once as may be.
TEST(PasswordLogin, LetsWhoWasGoodBeforePastThoseWhoFailWithTheSameName) {
  AccessHarness harness;
  harness.access->apply(sample());
  EXPECT_TRUE(harness.principal(login("ops", "right")));
  harness.pass(seconds{61});
  for (int i = 0; i < 6; ++i) (void)harness.begin(login("ops", "wrong")), harness.run();
  for (int i = 0; i < 100; ++i) {
    (void)harness.begin(login("ops", "wrong " + std::to_string(i)));
    (void)harness.begin(login("other " + std::to_string(i), "wrong"));
  }
  const auto answer = harness.begin(login("ops", "right"));
  EXPECT_FALSE(answer->has_value()) << "it is checked again";
  for (int i = 0; i < 2; ++i) harness.pool.run_one(), harness.loop.run_one();
  ASSERT_TRUE(answer->has_value()) << "before the others";
  EXPECT_TRUE(**answer);
}

TEST(PasswordLogin, TrustsNoPasswordThatWasGoodBefore) {
  AccessHarness harness;
  harness.access->apply(sample());
  EXPECT_TRUE(harness.principal(login("ops", "right")));
  harness.access->apply(policy_with({{"ops", {{cheap_hash("new"), std::nullopt}}}}));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(harness.principal(login("ops", "right")));
  const auto answer = harness.begin(login("ops", "right"));
  harness.run();
  EXPECT_FALSE(answer->has_value()) << "held back as any other";
}

TEST(LoginSlowdown, RemembersALimitedNumberOfUsers) {
  const CredentialKey key;
  FakeClock clock;
  SlowdownLimits limits;
  limits.users_max = 3;
  LoginSlowdown slowdown(limits);
  for (int failure = 0; failure < 5; ++failure)
    for (const char* name : {"a", "b", "c"}) slowdown.note_failure(key.digest(name), clock.now());
  clock.advance(seconds{1});
  slowdown.note_failure(key.digest("c"), clock.now());
  slowdown.note_failure(key.digest("b"), clock.now());
  slowdown.note_failure(key.digest("d"), clock.now());
  EXPECT_EQ(slowdown.users(), 3u);
  EXPECT_EQ(slowdown.delay(key.digest("a"), clock.now()).count(), 0);
  EXPECT_GT(slowdown.delay(key.digest("b"), clock.now()).count(), 0);
}

TEST(CredentialKey, TellsTheUserFromThePassword) {
  const CredentialKey key, other;
  EXPECT_TRUE(same(key.digest("ab", "c"), key.digest("ab", "c")));
  EXPECT_FALSE(same(key.digest("ab", "c"), key.digest("a", "bc")));
  EXPECT_FALSE(same(key.digest("ab", "c"), key.digest("abc")));
  EXPECT_FALSE(same(key.digest("ab", "c"), other.digest("ab", "c")));
}

TEST(PasswordLogin, PutsNoSecretIntoALogLineOrAnError) {
  AccessHarness harness;
  log::set_level(log::Level::debug);
  harness.access->apply(sample());
  harness.access->set_pod_credential("app", "pod-secret", "checkout");
  std::string errors;
  for (const char* name : {"ops", "app", "hunter2-as-a-name"})
    for (int i = 0; i < 7; ++i) {
      const auto answer = harness.begin(login(name, "hunter2"));
      harness.pass(seconds{6});
      harness.run();
      ASSERT_TRUE(answer->has_value());
      errors += (*answer)->error().detail;
    }
  EXPECT_FALSE(harness.principal({Credentials::Kind::bearer, "ops", "hunter2", {}}));
  EXPECT_EQ(harness.error->code, Errc::not_authenticated);
  errors += harness.error->detail;
  log::set_level(log::Level::info);
  EXPECT_THAT(errors, Not(HasSubstr("hunter2")));
  EXPECT_THAT(errors, HasSubstr("tokens are not accepted by this agent yet"));
  EXPECT_THAT(harness.all_lines(), Not(HasSubstr("hunter2")));
  EXPECT_THAT(harness.all_lines(), HasSubstr(R"("user":"ops")")) << "a slowed user is logged";
}

TEST(PasswordLogin, MayEndWhileAPasswordIsOnThePool) {
  for (const bool after_the_check : {false, true}) {
    AccessHarness harness;
    harness.access->apply(sample());
    const auto answer = harness.begin(login("ops", "right"));
    (void)harness.begin(login("ops", "other"));
    if (after_the_check) harness.pool.run_all();
    harness.access.reset();
    harness.run();
    EXPECT_FALSE(answer->has_value());
  }
}

TEST(PasswordLogin, MayEndWhileAThreadChecks) {
  ManualExecutor loop;
  const FakeClock clock;
  bool answered = false;
  {
    ThreadExecutor pool("pool", 2);
    PolicyAccess access(loop, pool, clock, {});
    access.apply(sample());
    access.authenticate(login("ops", "right"), [&](const Result<Principal>&) { answered = true; });
  }
  loop.run_all();
  EXPECT_FALSE(answered);
}

TEST(PasswordLogin, MayBeAskedAgainFromItsAnswer) {
  AccessHarness harness;
  harness.access->apply(sample());
  AccessHarness::Answer second;
  harness.access->authenticate(login("ops", "wrong"), [&](const Result<Principal>& first) {
    EXPECT_FALSE(first);
    second = harness.begin(login("ops", "right"));
  });
  harness.run();
  ASSERT_TRUE(second && second->has_value());
  EXPECT_TRUE(**second);
}

}  // namespace
}  // namespace pannier::queue
