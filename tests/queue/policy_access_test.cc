#include "sidecar/queue/policy_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/access_harness.h"

namespace pannier::queue {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kUid = "6f1c8a52-0d7c-4a8e-9a4e-2b6f3c1d5e70";

PolicyQueue policy_queue(std::string_view name,
                         std::optional<std::vector<AccessRule>> access = std::nullopt) {
  PolicyQueue queue;
  queue.uid = "uid-" + std::string(name);
  queue.name = name;
  queue.access = std::move(access);
  return queue;
}

AccessRule rule(std::vector<AccessSubject> subjects, std::vector<Verb> verbs) {
  return {std::move(subjects), std::move(verbs)};
}

Policy sample_policy(ClientTopology topology = ClientTopology::none) {
  const AccessSubject checkout{SubjectKind::service_account, "checkout"};
  const AccessSubject billing{SubjectKind::service_account, "billing"};
  const AccessSubject ops{SubjectKind::user, "ops"};
  Policy policy;
  policy.namespace_name = "shop";
  policy.client_topology = topology;
  policy.queues = {
      policy_queue("open"),
      policy_queue("shut", std::vector<AccessRule>()),
      policy_queue("listed",
                   std::vector{rule({checkout}, {Verb::publish}), rule({billing}, {Verb::consume}),
                               rule({ops, checkout}, {Verb::manage})}),
      policy_queue("silent", std::vector{rule({checkout}, {}), rule({}, {Verb::publish})}),
  };
  policy.other_queues = {"elsewhere"};
  return policy;
}

Members sample_members() {
  Members members;
  MemberAgent puller, holder;
  puller.pod_uid = "pod-a", puller.service_account = "billing";
  holder.pod_uid = "pod-b", holder.service_account = "checkout";
  members.agents = {puller, holder};
  members.queues = {{"uid-open", {"pod-b"}, {"pod-a", "pod-gone"}, {}},
                    {"uid-shut", {"pod-a", "pod-b"}, {}, {}}};
  return members;
}

// "pcm" as far as they are allowed.
std::string allowed(const PolicyAccess& access, const Principal& principal,
                    std::string_view queue) {
  std::string letters;
  for (const auto& [verb, letter] :
       {std::pair{Verb::publish, 'p'}, {Verb::consume, 'c'}, {Verb::manage, 'm'}})
    if (access.may(principal, verb, queue)) letters += letter;
  return letters;
}

struct Allowed {
  Principal principal;
  std::string queue;
  std::string verbs;          // while clients may declare nothing
  std::string with_topology;  // while they may
};

TEST(PolicyAccess, AllowsWhatTheRulesSayAndNothingElse) {
  const std::vector<Allowed> table{
      {account("checkout"), "open", "pc", "pc"},
      {account("nobody"), "open", "pc", "pc"},
      {user("ops"), "open", "", ""},
      {agent("pod-a"), "open", "c", "c"},
      {agent("pod-b"), "open", "p", "p"},
      {agent("pod-gone"), "open", "", ""},
      {agent("checkout"), "open", "", ""},
      {account("checkout"), "shut", "", ""},
      {user("ops"), "shut", "", ""},
      {agent("pod-a"), "shut", "p", "p"},
      {account("checkout"), "listed", "pm", "pm"},
      {account("billing"), "listed", "c", "c"},
      {account("ops"), "listed", "", ""},
      {account("nobody"), "listed", "", ""},
      {user("ops"), "listed", "m", "m"},
      {user("checkout"), "listed", "", ""},
      {agent("pod-a"), "listed", "", ""},
      {agent("ops"), "listed", "", ""},
      {account("checkout"), "silent", "", ""},
      {account("checkout"), "declared", "", "pcm"},
      {user("ops"), "declared", "", "pcm"},
      {agent("pod-a"), "declared", "", ""},
      {account("checkout"), "elsewhere", "", ""},
      {user("guest"), "declared", "", "pcm"},
      {user("guest"), "shut", "", ""},
      {account("checkout"), "", "", "pcm"},
  };
  for (const auto topology :
       {ClientTopology::none, ClientTopology::local, ClientTopology::everywhere}) {
    AccessHarness harness;
    harness.access->apply(sample_policy(topology));
    harness.access->apply(sample_members());
    for (const Allowed& row : table)
      EXPECT_EQ(allowed(*harness.access, row.principal, row.queue),
                topology == ClientTopology::none ? row.verbs : row.with_topology)
          << row.principal.name << " on " << row.queue;
  }
}

TEST(PolicyAccess, AllowsNothingBeforeItHoldsAPolicy) {
  AccessHarness harness;
  for (const Principal& principal : {account("checkout"), user("guest"), agent("pod-a")}) {
    EXPECT_EQ(allowed(*harness.access, principal, "open"), "");
    EXPECT_FALSE(harness.access->may_declare(principal));
  }
}

TEST(PolicyAccess, LetsClientsDeclareWhereTheTopologySaysSoButNeverAnAgent) {
  AccessHarness harness;
  harness.access->apply(sample_policy(ClientTopology::none));
  EXPECT_FALSE(harness.access->may_declare(account("checkout")));
  harness.access->apply(sample_policy(ClientTopology::local));
  EXPECT_TRUE(harness.access->may_declare(account("checkout")));
  EXPECT_TRUE(harness.access->may_declare(user("ops")));
  EXPECT_FALSE(harness.access->may_declare(agent("pod-a")));
}

TEST(PolicyAccess, TheControlSocketMayEverythingEvenBeforeThereIsAPolicy) {
  AccessHarness harness;
  EXPECT_EQ(allowed(*harness.access, control_principal(), "open"), "pcm");
  EXPECT_TRUE(harness.access->may_declare(control_principal()));
  harness.access->apply(sample_policy());
  for (const char* const queue : {"open", "shut", "listed", "silent", "unknown"})
    EXPECT_EQ(allowed(*harness.access, control_principal(), queue), "pcm") << queue;
  const Principal namesake{Principal::Kind::user, control_principal().name};
  EXPECT_EQ(allowed(*harness.access, namesake, "shut"), "");
}

TEST(PolicyAccess, FollowsANewPolicyAndNewMembersAtTheNextQuestion) {
  AccessHarness harness;
  harness.access->apply(sample_policy());
  harness.access->apply(sample_members());
  Policy policy = sample_policy();
  policy.queues[0].access = std::vector{rule({{SubjectKind::user, "ops"}}, {Verb::publish})};
  harness.access->apply(policy);
  EXPECT_EQ(allowed(*harness.access, account("checkout"), "open"), "");
  EXPECT_EQ(allowed(*harness.access, user("ops"), "open"), "p");
  EXPECT_EQ(allowed(*harness.access, agent("pod-a"), "open"), "c");
  Members members = sample_members();
  members.agents.erase(members.agents.begin());
  harness.access->apply(members);
  EXPECT_EQ(allowed(*harness.access, agent("pod-a"), "open"), "");
  EXPECT_EQ(allowed(*harness.access, agent("pod-b"), "open"), "p");
}

TEST(PolicyAccess, NamesPrincipalVerbAndQueueInARefusal) {
  AccessHarness harness;
  harness.access->apply(sample_policy());
  const auto refused = harness.access->may(user("ops"), Verb::publish, "open");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::access_denied);
  EXPECT_EQ(refused.error().detail,
            "publish access to queue 'open' in vhost '/' refused for user 'ops'");
  EXPECT_THAT(harness.access->may(account("x"), Verb::manage, "open").error().detail,
              HasSubstr("refused for ServiceAccount 'x'"));
  EXPECT_THAT(harness.access->may_declare(account("x")).error().detail,
              HasSubstr("clientTopology"));
}

TEST(PolicyAccess, LogsADenialOnceAMinuteAndThenItsCount) {
  AccessHarness harness;
  harness.access->apply(sample_policy());
  for (int i = 0; i < 50; ++i) (void)harness.access->may(user("ops"), Verb::publish, "open");
  ASSERT_EQ(harness.lines.size(), 1u);
  EXPECT_THAT(harness.lines[0], HasSubstr(R"("principal":"ops","verb":"publish","queue":"open")"));
  (void)harness.access->may(user("ops"), Verb::consume, "open");
  EXPECT_EQ(harness.lines.size(), 2u);
  harness.pass(std::chrono::seconds{59});
  EXPECT_EQ(harness.lines.size(), 2u);
  ASSERT_EQ(harness.access->deadline(), harness.clock.now() + std::chrono::seconds{1});
  harness.pass(std::chrono::seconds{1});
  ASSERT_EQ(harness.lines.size(), 3u) << "only the one that was repeated";
  EXPECT_THAT(harness.lines[2], HasSubstr(R"("times":49)"));
  EXPECT_FALSE(harness.access->deadline());
  (void)harness.access->may(user("ops"), Verb::publish, "open");
  EXPECT_EQ(harness.lines.size(), 4u);
}

TEST(PolicyAccess, LogsNoMoreThanALineASecondBeyondTheDenialsItRemembers) {
  PolicyAccessOptions options;
  options.denials_remembered_max = 10;
  AccessHarness harness(options);
  for (int i = 0; i < 1'000; ++i)
    (void)harness.access->may(user("ops"), Verb::publish, "q" + std::to_string(i));
  EXPECT_EQ(harness.lines.size(), 11u);
}

TEST(PolicyAccess, LetsGuestDoEverythingOnlyWhereGuestIsAllowed) {
  AccessHarness harness;
  harness.access->apply(sample_policy());
  EXPECT_FALSE(harness.principal(login("guest", "guest")));
  harness.access->allow_guest();
  EXPECT_EQ(harness.principal(login("guest", "guest")), user("guest"));
  EXPECT_FALSE(harness.principal(login("guest", "Guest")));
  EXPECT_EQ(allowed(*harness.access, user("guest"), "shut"), "pcm");
  EXPECT_EQ(allowed(*harness.access, user("guest"), "anything"), "pcm");
  EXPECT_TRUE(harness.access->may_declare(user("guest")));
  EXPECT_EQ(allowed(*harness.access, account("guest"), "shut"), "");
}

TEST(PolicyAccess, KnowsAnAgentByItsCertificateIfItIsAMember) {
  AccessHarness harness;
  const auto by = [&](std::string_view uri) {
    return harness.principal({Credentials::Kind::certificate, {}, {}, std::string(uri)});
  };
  EXPECT_FALSE(by("spiffe://demo.local/ns/shop/sa/billing/pod/pod-a"));
  harness.access->apply(sample_members());
  EXPECT_EQ(by("spiffe://demo.local/ns/shop/sa/billing/pod/pod-a"), agent("pod-a"));
  for (const char* uri : {"spiffe://other.local/ns/shop/sa/billing/pod/pod-a",
                          "spiffe://demo.local/ns/shops/sa/billing/pod/pod-a",
                          "spiffe://demo.local/ns/shop/sa/checkout/pod/pod-a",
                          "spiffe://demo.local/ns/shop/sa/billing/pod/pod-c",
                          "spiffe://demo.local/ns/shop/sa/billing/pod/pod-gone", "", "pod-a"}) {
    EXPECT_FALSE(by(uri)) << uri;
    EXPECT_EQ(harness.error->code, Errc::not_authenticated) << uri;
  }
  harness.access->apply(Members());
  EXPECT_FALSE(by("spiffe://demo.local/ns/shop/sa/billing/pod/pod-a"));
}

TEST(PolicyAccess, LetsNobodyInWithAnEmptyPassword) {
  AccessHarness harness;
  harness.access->set_pod_credential("app", "", "checkout");
  EXPECT_FALSE(harness.principal(login("app", "")));
  harness.access->set_pod_credential("", "", "checkout");
  EXPECT_FALSE(harness.principal(login("", "")));
  harness.access->set_pod_credential("app", "secret", "checkout");
  EXPECT_TRUE(harness.principal(login("app", "secret")));
  harness.access->set_pod_credential("app", "", "checkout");
  EXPECT_FALSE(harness.principal(login("app", "secret"))) << "it is no longer known";
}

}  // namespace
}  // namespace pannier::queue
