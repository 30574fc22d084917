// A pod's agent, and the end of pods. The agent is tests/local/fake_agent.py.
#include <sys/wait.h>

#include "tests/local/pod_world.h"

namespace pannier::local {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class PodAgentTest : public PodWorld {
 protected:
  void make_injected(const std::string& script, const std::string& policy = "Always") {
    make_pod({{"restartPolicy", policy},
              {"terminationGracePeriodSeconds", 30},
              {"containers", {container("app", script)}}},
             true);
  }
  void until_up() {
    until_asked([&] { return pid_of("app") > 0; });
  }
  bool is_agent_there() const {
    const auto id = read_process_record(pod_folder() + "/containers/pannier-agent.json");
    return id && is_running(*id);
  }
};

TEST_F(PodAgentTest, StartsTheContainersOnceTheAgentIsReady) {
  make_injected(kRunsOn);
  until([&] { return pid_of("pannier-agent") > 0; });
  write_text(pod_folder() + "/unready", "");
  until_asked([&] { return !agent_was_asked().empty(); });
  until_asked([&] {
    const Json ready = item_named(field_in(status(), "conditions"), "type", "Ready");
    return text_in(ready, "message").find("no policy yet") != std::string::npos;
  });
  EXPECT_EQ(ready_reason(), "AgentNotReady");
  EXPECT_EQ(pid_of("app"), 0);
  EXPECT_EQ(phase(), "Pending");
  std::filesystem::remove(pod_folder() + "/unready");
  until_up();
  EXPECT_EQ(of("pannier-agent")["ready"], true);
  EXPECT_EQ(of("pannier-agent")["started"], true);
  EXPECT_EQ(phase(), "Running");
  EXPECT_THAT(said_, HasSubstr("agent ready on " + text_in(status(), "podIP") + " (pid " +
                               std::to_string(pid_of("pannier-agent")) + ")"));
}

TEST_F(PodAgentTest, WaitsForTheAgentsIdentityAndDocuments) {
  is_prepared_ = false;
  make_injected(kRunsOn);
  turn();
  pass(std::chrono::seconds(10));
  EXPECT_EQ(pid_of("pannier-agent"), 0);
  EXPECT_LE(turn(), std::chrono::milliseconds(100));
  is_prepared_ = true;
  until_up();
}

TEST_F(PodAgentTest, GivesTheAgentItsConfigurationAndALittleEnvironment) {
  ::setenv("PANNIER_SECRET_OF_THE_OPERATOR", "x", 1);
  make_injected("echo $PANNIER_DIR > seen; mkfifo never; exec cat never");
  until_up();
  until([&] { return !file("seen").empty(); });
  EXPECT_EQ(file("seen"), pod_folder() + "/app\n");
  const auto config = parse_agent_config(text_of(pod_folder() + "/agent.yaml"), "agent.yaml");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->identity.pod_uid, uid_);
  EXPECT_EQ(config->listeners.amqps.addresses.front(), text_in(status(), "podIP"));
  EXPECT_EQ(config->folders.spool, pod_folder() + "/spool");
  EXPECT_THAT(agent_was_asked(), AllOf(HasSubstr("PATH"), Not(HasSubstr("SECRET"))));
}

TEST_F(PodAgentTest, StartsTheAgentAgainAndLeavesTheContainersAlone) {
  make_injected(kRunsOn);
  until_up();
  const int app = pid_of("app");
  ::kill(pid_of("pannier-agent"), SIGKILL);
  until([&] { return restarts("pannier-agent") == 1; });
  EXPECT_EQ(ready_reason(), "AgentNotReady");
  until_asked([&] { return of("pannier-agent")["ready"] == true; });
  EXPECT_EQ(pid_of("app"), app);
  EXPECT_EQ(restarts("app"), 0u);
}

TEST_F(PodAgentTest, FindsTheAgentAgainAfterAnOperatorHasDied) {
  make_injected(kRunsOn);
  until_up();
  const Json before = status();
  new_operator();
  until_asked([&] { return of("pannier-agent")["ready"] == true; });
  EXPECT_EQ(pid_of("pannier-agent"), number_in(before["initContainerStatuses"][0], "pid"));
  EXPECT_EQ(restarts("pannier-agent"), 0u);
}

TEST_F(PodAgentTest, EndsTheContainersFirstAndThenTheAgentAndLeavesNothing) {
  make_injected(
      "trap 'cp .pannier/pods/*/asked asked; exit 0' TERM; echo > up; mkfifo never; cat never & "
      "wait; wait");
  until_up();
  until([&] { return has_file("up"); });
  const int agent = pid_of("pannier-agent");
  remove_pod();
  until_asked([&] { return runner_->is_gone(); });
  // When the app was told to end, the agent was still there.
  EXPECT_THAT(file("asked"), Not(HasSubstr("SIGTERM")));
  EXPECT_FALSE(stat_of(agent));
  EXPECT_FALSE(std::filesystem::exists(pod_folder()));
  EXPECT_FALSE(std::filesystem::exists(places_.control_socket(uid_)));
  EXPECT_FALSE(store_->get(key_));
  EXPECT_EQ(events(), "");
}

TEST_F(PodAgentTest, DrainsTheAgentWhileTheAppStillEnds) {
  make_injected(kDeaf);
  until_up();
  until([&] { return has_file("deaf"); });
  remove_pod();
  until_asked([&] { return agent_was_asked().find("drain") != std::string::npos; });
  EXPECT_THAT(agent_was_asked(), Not(HasSubstr("SIGTERM")));
  EXPECT_GT(pid_of("app"), 0);
  pass(std::chrono::seconds(30));
  until_asked([&] { return runner_->is_gone(); });
  EXPECT_THAT(said_, HasSubstr("container app did not end in its grace"));
}

TEST_F(PodAgentTest, KillsAContainerOnlyOnceItsGraceIsOver) {
  make_pod({{"terminationGracePeriodSeconds", 5}, {"containers", {container("app", kDeaf)}}});
  until([&] { return has_file("deaf"); });
  remove_pod();
  turn();
  pass(std::chrono::milliseconds(4'999));
  EXPECT_GT(pid_of("app"), 0);
  EXPECT_THAT(said_, Not(HasSubstr("killed")));
  pass(std::chrono::milliseconds(1));
  EXPECT_THAT(said_, HasSubstr("killed"));
  until([&] { return runner_->is_gone(); });
}

TEST_F(PodAgentTest, KillsAnAgentThatDoesNotEndWithinItsBudgetAndTenSeconds) {
  make_injected(kRunsOn);
  until_up();
  write_text(pod_folder() + "/deaf", "");
  remove_pod();
  until([&] { return agent_was_asked().find("SIGTERM") != std::string::npos; });
  const int agent = pid_of("pannier-agent");
  pass(std::chrono::milliseconds(34'000));
  EXPECT_TRUE(stat_of(agent));
  pass(std::chrono::milliseconds(1'000));
  until([&] { return runner_->is_gone(); });
  EXPECT_THAT(said_, HasSubstr("agent does not end in time, and is killed"));
  EXPECT_FALSE(stat_of(agent));
}

TEST_F(PodAgentTest, TellsWhatGoesWithASpoolThatNobodyKeeps) {
  make_injected(kRunsOn);
  until_up();
  write_text(pod_folder() + "/held", "12");
  remove_pod();
  until_asked([&] { return runner_->is_gone(); });
  EXPECT_THAT(events(), AllOf(HasSubstr("MessagesLost"), HasSubstr("Warning"),
                              HasSubstr("12 messages"), HasSubstr(uid_)));
}

TEST_F(PodAgentTest, TellsWhenItCannotKnowWhatWentWithASpool) {
  make_injected(kRunsOn);
  until_up();
  const int agent = pid_of("pannier-agent");
  options_.agent_program = "/no/such/agent";
  new_operator();
  until_asked([&] { return of("pannier-agent")["ready"] == true; });
  ::kill(agent, SIGKILL);
  until([&] { return is_waiting("pannier-agent"); });
  remove_pod();
  until_asked([&] { return runner_->is_gone(); });
  EXPECT_THAT(events(), AllOf(HasSubstr("MessagesLost"), HasSubstr("could not be asked")));
}

TEST_F(PodAgentTest, KeepsASpoolOnAClaimBeyondItsPod) {
  ASSERT_TRUE(store_->replace({{"apiVersion", "pannier.dev/v1alpha1"},
                               {"kind", "AgentClass"},
                               {"metadata", {{"name", "default"}}},
                               {"spec", {{"spool", {{"volume", "Claim"}}}}}}));
  make_injected(kRunsOn);
  until_up();
  const std::string claim = places_.claim("shop", "checkout");
  const auto config = parse_agent_config(text_of(pod_folder() + "/agent.yaml"), "agent.yaml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->folders.spool, claim);
  write_text(pod_folder() + "/held", "12");
  write_text(claim + "/segment", "messages");
  remove_pod();
  until_asked([&] { return runner_->is_gone(); });
  EXPECT_EQ(text_of(claim + "/segment"), "messages");
  EXPECT_EQ(events(), "");
}

TEST_F(PodAgentTest, KeepsALivingPodsSpoolWhereItIsWhateverBecomesOfItsClass) {
  make_injected(kRunsOn);
  until_up();
  ASSERT_TRUE(store_->replace({{"apiVersion", "pannier.dev/v1alpha1"},
                               {"kind", "AgentClass"},
                               {"metadata", {{"name", "default"}}},
                               {"spec", {{"spool", {{"volume", "Claim"}}}}}}));
  ::kill(pid_of("pannier-agent"), SIGKILL);
  until([&] { return restarts("pannier-agent") == 1; });
  const auto config = parse_agent_config(text_of(pod_folder() + "/agent.yaml"), "agent.yaml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->folders.spool, pod_folder() + "/spool");
}

TEST_F(PodAgentTest, EndsTheAgentOnceAllContainersAreOver) {
  make_injected("exit 0", "OnFailure");
  until_asked([&] { return phase() == "Succeeded"; });
  EXPECT_THAT(agent_was_asked(), HasSubstr("SIGTERM"));
  EXPECT_FALSE(is_agent_there());
  EXPECT_EQ(ready_reason(), "PodCompleted");
  EXPECT_TRUE(std::filesystem::exists(pod_folder() + "/logs/app.log"));
  // Nor does anybody start it again.
  new_operator();
  pass(std::chrono::seconds(100));
  EXPECT_FALSE(is_agent_there());
  EXPECT_EQ(phase(), "Succeeded");
  remove_pod();
  until_asked([&] { return runner_->is_gone(); });
}

TEST_F(PodAgentTest, DoesNotCutAnAgentsHandOverShortAfterAnOperatorHasDied) {
  make_injected(kRunsOn);
  until_up();
  write_text(pod_folder() + "/deaf", "");
  remove_pod();
  until([&] { return agent_was_asked().find("SIGTERM") != std::string::npos; });
  write_text(pod_folder() + "/phase", "ending");
  write_text(pod_folder() + "/asked", "");
  new_operator();
  until_asked([&] { return agent_was_asked().find("status") != std::string::npos; });
  turn();
  EXPECT_THAT(agent_was_asked(), Not(HasSubstr("SIGTERM")));
}

TEST_F(PodAgentTest, EndsAPodThatIsDeletedWhileItStarts) {
  make_injected(kRunsOn);
  until([&] { return pid_of("pannier-agent") > 0; });
  write_text(pod_folder() + "/unready", "");
  remove_pod();
  until_asked([&] { return runner_->is_gone(); });
  EXPECT_EQ(pid_of("app"), 0);
  EXPECT_EQ(events(), "");
}

TEST_F(PodAgentTest, LetsAPodGoThatWasDeletedBeforeItBegan) {
  is_prepared_ = false;
  make_injected(kRunsOn);
  remove_pod();
  until([&] { return runner_->is_gone(); });
  EXPECT_FALSE(std::filesystem::exists(pod_folder()));
  EXPECT_FALSE(store_->get(key_));
}

TEST_F(PodAgentTest, SaysThatTheFoldersPathIsTooLongForASocket) {
  make_injected(kRunsOn);
  const Places deep(folder_.path() + "/" + std::string(100, 'd'));
  ASSERT_TRUE(std::filesystem::create_directories(deep.root()));
  PodRunner runner(deep, *store_, cache_, clock_, options_, key_);
  runner.run_once();
  EXPECT_EQ(phase(), "Failed");
  EXPECT_THAT(text_in(status(), "message"), HasSubstr("shorter path"));
}

TEST_F(PodAgentTest, LetsAPodLiveWhoseAgentHasBecomeImpossible) {
  make_injected(kRunsOn);
  until_up();
  const int app = pid_of("app");
  Json manifest = cache_.find(key_)->json();
  manifest["metadata"]["annotations"]["pannier.dev/amqps-port"] = "7671";  // the peers'
  ASSERT_TRUE(store_->replace(manifest));
  ::kill(pid_of("pannier-agent"), SIGKILL);
  until([&] { return said_.find("agent cannot start") != std::string::npos; });
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(pid_of("app"), app);
  manifest["metadata"]["annotations"].erase("pannier.dev/amqps-port");
  ASSERT_TRUE(store_->replace(manifest));
  until_asked([&] { return of("pannier-agent")["ready"] == true; });
}

TEST_F(PodAgentTest, TakesNoDefaultsForAClassThatCannotBeRead) {
  ASSERT_TRUE(store_->replace({{"apiVersion", "pannier.dev/v1alpha1"},
                               {"kind", "AgentClass"},
                               {"metadata", {{"name", "default"}}},
                               {"spec", {{"spool", {{"size", "much"}}}}}}));
  make_injected(kRunsOn);
  turn();
  EXPECT_EQ(pid_of("pannier-agent"), 0);
  EXPECT_THAT(said_, HasSubstr("AgentClass default is not there"));
}

TEST_F(PodAgentTest, WaitsForAClassThatIsNotThere) {
  Json pod = {{"containers", {container("app", kRunsOn)}}};
  make_pod(pod, true);
  Json manifest = cache_.find(key_)->json();
  manifest["metadata"]["annotations"]["pannier.dev/injected"] = "large";
  ASSERT_TRUE(store_->replace(manifest));
  EXPECT_GT(turn(), std::chrono::milliseconds(0));
  EXPECT_THAT(said_, HasSubstr("AgentClass large is not there"));
  ASSERT_TRUE(store_->replace({{"apiVersion", "pannier.dev/v1alpha1"},
                               {"kind", "AgentClass"},
                               {"metadata", {{"name", "large"}}},
                               {"spec", Json::object()}}));
  until_up();
}

TEST_F(PodAgentTest, TellsWhyTheAgentDoesNotStart) {
  const std::string agent = folder_ / "agent.sh";
  write_text(agent, "#!/bin/sh\necho 'pannier-agent: agent.yaml:3: no such key' >&2\nexit 78\n");
  std::filesystem::permissions(agent, std::filesystem::perms::owner_all);
  options_.agent_program = agent;
  make_injected(kRunsOn);
  until([&] { return restarts("pannier-agent") == 1 && is_waiting("pannier-agent"); });
  EXPECT_THAT(said_, HasSubstr("agent exited with 78, starts again in 1 s: pannier-agent: "
                               "agent.yaml:3: no such key"));
  const Json ready = item_named(field_in(status(), "conditions"), "type", "Ready");
  EXPECT_THAT(text_in(ready, "message"), HasSubstr("agent.yaml:3: no such key"));
}

}  // namespace
}  // namespace pannier::local
