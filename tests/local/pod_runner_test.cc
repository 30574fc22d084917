#include "operator/local/pod_runner.h"

#include <sys/wait.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "operator/local/pod_addresses.h"

#include "tests/local/pod_world.h"

namespace pannier::local {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class PodRunnerTest : public PodWorld {
 protected:
  void make_simple(const std::string& script, const std::string& policy = "Always") {
    make_pod({{"restartPolicy", policy}, {"containers", {container("app", script)}}});
  }
};

TEST_F(PodRunnerTest, RunsAPodAndSaysSoInItsStatus) {
  make_simple(kRunsOn);
  until([&] { return pid_of("app") > 0; });
  EXPECT_EQ(phase(), "Running");
  EXPECT_THAT(text_in(status(), "podIP"), StartsWith("127."));
  EXPECT_EQ(ready_reason(), "ContainersRunning");
  EXPECT_EQ(of("app")["ready"], true);
  EXPECT_EQ(restarts("app"), 0u);
  EXPECT_TRUE(of("app")["state"]["running"].contains("startedAt"));
  EXPECT_THAT(said_, HasSubstr("pod shop/checkout: container app runs (pid " +
                               std::to_string(pid_of("app")) + ")"));
}

TEST_F(PodRunnerTest, KeepsTheAddressAndTheFinalizerBeforeAnythingStarts) {
  make_simple("cp .pannier/objects/Pod/shop/checkout.json seen; mkfifo never; exec cat never");
  until([&] { return has_file("seen") && !file("seen").empty(); });
  const Json seen = Json::parse(file("seen"));
  EXPECT_EQ(seen["status"]["podIP"], status()["podIP"]);
  EXPECT_EQ(seen["metadata"]["finalizers"], Json::array({"pannier.dev/runner"}));
}

TEST_F(PodRunnerTest, KeepsItsAddressAsLongAsItLives) {
  make_simple(kRunsOn);
  until([&] { return pid_of("app") > 0; });
  const std::string address = text_in(status(), "podIP");
  new_operator();
  turn();
  EXPECT_EQ(text_in(status(), "podIP"), address);
}

TEST(PodAddresses, AreTheUidsOwnWhereTheyAreFree) {
  const auto first = choose_pod_address("3f2b8c1e", {});
  ASSERT_TRUE(first);
  EXPECT_EQ(choose_pod_address("3f2b8c1e", {}), first);
  EXPECT_NE(choose_pod_address("another", {}), first);
  std::set<std::string> taken;
  for (int pods = 0; pods < 600; ++pods) {
    const auto address = choose_pod_address("3f2b8c1e", taken);
    ASSERT_TRUE(address);
    EXPECT_TRUE(taken.insert(*address).second) << *address;
    EXPECT_THAT(*address, testing::MatchesRegex("127\\.[0-9]+\\.[0-9]+\\.[0-9]+"));
    const int second = std::stoi(address->substr(4));
    EXPECT_TRUE(second >= 64 && second < 128) << *address;
  }
}

TEST_F(PodRunnerTest, GivesAnAppItsOwnVariablesAndNothingOfOurs) {
  ::setenv("PANNIER_SECRET_OF_THE_OPERATOR", "x", 1);
  Json app = container("app", "env | cut -d= -f1 | sort > names; echo $GREETING $0 > said");
  app["args"] = {"$(NAME)"};
  app["env"] = {{{"name", "NAME"}, {"value", "you"}},
                {{"name", "GREETING"}, {"value", "hello $(NAME)"}}};
  make_pod({{"restartPolicy", "Never"}, {"containers", {app}}});
  until([&] { return phase() == "Succeeded"; });
  EXPECT_EQ(file("said"), "hello you you\n");
  EXPECT_THAT(file("names"), Not(HasSubstr("SECRET")));
  EXPECT_EQ(file("names"), "GREETING\nHOME\nLANG\nNAME\nPATH\nPWD\n");
}

TEST_F(PodRunnerTest, RunsInitContainersOneAfterTheOtherBeforeTheContainers) {
  make_pod({{"restartPolicy", "Never"},
            {"initContainers",
             {container("one", "echo one >> order"), container("two", "echo two >> order")}},
            {"containers", {container("app", "echo app >> order")}}});
  until([&] { return phase() == "Succeeded"; });
  EXPECT_EQ(file("order"), "one\ntwo\napp\n");
  EXPECT_EQ(terminated("one")["reason"], "Completed");
}

TEST_F(PodRunnerTest, FailsAPodThatNeverRestartsWithItsInitContainer) {
  make_pod({{"restartPolicy", "Never"},
            {"initContainers", {container("migrate", "exit 4")}},
            {"containers", {container("app", "echo app >> order")}}});
  until([&] { return phase() == "Failed"; });
  EXPECT_FALSE(has_file("order"));
  EXPECT_EQ(terminated("migrate")["exitCode"], 4);
  EXPECT_THAT(text_in(status(), "message"), HasSubstr("migrate"));
}

struct PolicyCase {
  const char* policy;
  const char* script;
  const char* phase;  // empty: it runs again
  // Of the test; without it gtest shows addresses, which are others each time.
  friend void PrintTo(const PolicyCase& of, std::ostream* to) {
    *to << of.policy << ", " << of.script;
  }
};

class RestartPolicyTest : public PodRunnerTest, public testing::WithParamInterface<PolicyCase> {};

TEST_P(RestartPolicyTest, DecidesWhatFollowsAnEnd) {
  make_simple(std::string("echo >> ran; ") + GetParam().script, GetParam().policy);
  const std::string wanted = GetParam().phase;
  if (wanted.empty()) {
    until([&] { return restarts("app") >= 1; });
  } else {
    until([&] { return phase() == wanted; });
    EXPECT_EQ(file("ran"), "\n");
    EXPECT_EQ(restarts("app"), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RestartPolicyTest,
                         testing::Values(PolicyCase{"Always", "exit 0", ""},
                                         PolicyCase{"Always", "exit 1", ""},
                                         PolicyCase{"OnFailure", "exit 0", "Succeeded"},
                                         PolicyCase{"OnFailure", "exit 1", ""},
                                         PolicyCase{"Never", "exit 0", "Succeeded"},
                                         PolicyCase{"Never", "exit 1", "Failed"},
                                         PolicyCase{"Never", "kill -9 $$", "Failed"}));

TEST_F(PodRunnerTest, StartsAgainAtOnceAndThenLaterAndLaterUpToAMinute) {
  make_simple("exit 3");
  until([&] { return restarts("app") == 1 && is_waiting("app"); });
  std::uint64_t restarted = 1;
  for (const int seconds : {1, 2, 4, 8, 16, 32, 60, 60}) {
    EXPECT_THAT(said_,
                HasSubstr("pod shop/checkout: container app exited with 3, starts again in " +
                          std::to_string(seconds) + " s"));
    EXPECT_EQ(of("app")["state"]["waiting"]["reason"], "CrashLoopBackOff");
    pass(std::chrono::seconds(seconds) - std::chrono::milliseconds(1));
    ASSERT_EQ(restarts("app"), restarted) << "before " << seconds << " s";
    said_.clear();
    pass(std::chrono::milliseconds(1));
    ASSERT_EQ(restarts("app"), ++restarted) << "after " << seconds << " s";
    until([&] { return is_waiting("app"); });
  }
  EXPECT_EQ(of("app")["lastState"]["terminated"]["exitCode"], 3);
}

TEST_F(PodRunnerTest, StartsAgainAtOnceAfterAMinuteThatWentWell) {
  make_simple("[ -e go ] && { mkfifo never$$; exec cat never$$; }; exit 3");
  until([&] { return restarts("app") == 1 && is_waiting("app"); });
  write_text(folder_ / "go", "");
  pass(std::chrono::seconds(1));
  ASSERT_EQ(restarts("app"), 2u);
  pass(std::chrono::seconds(60));
  ::kill(pid_of("app"), SIGKILL);
  until([&] { return restarts("app") == 3; });
  EXPECT_THAT(said_, HasSubstr("was ended by signal 9 (Killed), starts again at once"));
}

TEST_F(PodRunnerTest, SaysThatACommandIsNotThere) {
  make_pod({{"restartPolicy", "Never"},
            {"containers", {{{"name", "app"}, {"command", {"no-such-program"}}}}}});
  until([&] { return phase() == "Failed"; });
  EXPECT_EQ(text_in(status(), "reason"), "StartError");
  EXPECT_THAT(text_in(status(), "message"), HasSubstr("command not found: no-such-program"));
  EXPECT_THAT(said_, HasSubstr("container app cannot start: command not found"));
}

TEST_F(PodRunnerTest, TriesAgainLaterToStartACommandThatIsNotThere) {
  make_pod({{"containers", {{{"name", "app"}, {"command", {folder_ / "program"}}}}}});
  until([&] { return is_waiting("app"); });
  EXPECT_EQ(text_in(status(), "reason"), "StartError");
  EXPECT_EQ(phase(), "Pending");
  write_text(folder_ / "program", "#!/bin/sh\nmkfifo never$$; exec cat never$$\n");
  std::filesystem::permissions(folder_ / "program", std::filesystem::perms::owner_all);
  pass(std::chrono::seconds(1));
  EXPECT_GT(pid_of("app"), 0);
  EXPECT_EQ(text_in(status(), "reason"), "");
}

TEST_F(PodRunnerTest, AsksForACommandWhereThereIsOnlyAnImage) {
  make_pod({{"restartPolicy", "Never"}, {"containers", {{{"name", "app"}, {"image", "nginx"}}}}});
  until([&] { return phase() == "Failed"; });
  EXPECT_THAT(text_in(status(), "message"), HasSubstr("name the program in command"));
}

TEST_F(PodRunnerTest, FindsItsProcessesAgainAfterAnOperatorHasDied) {
  make_simple(kRunsOn);
  until([&] { return pid_of("app") > 0; });
  const int pid = pid_of("app");
  const Json before = status();
  new_operator();
  turn();
  EXPECT_EQ(status(), before);
  EXPECT_EQ(pid_of("app"), pid);
  ::kill(pid, SIGKILL);
  until([&] { return restarts("app") == 1; });
}

TEST_F(PodRunnerTest, GoesOnCountingRestartsAfterAnOperatorHasDied) {
  make_simple("exit 3");
  until([&] { return restarts("app") == 1 && is_waiting("app"); });
  new_operator();
  until([&] { return restarts("app") == 2; });
}

TEST_F(PodRunnerTest, CountsAnEndThatNobodySawAsAFailure) {
  make_simple(kRunsOn, "Never");
  until([&] { return pid_of("app") > 0; });
  const int pid = pid_of("app");
  runner_.reset();
  ::kill(pid, SIGKILL);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  new_operator();
  until([&] { return phase() == "Failed"; });
  EXPECT_EQ(text_in(status(), "reason"), "ContainerStatusUnknown");
  EXPECT_EQ(terminated("app")["reason"], "ContainerStatusUnknown");
}

TEST_F(PodRunnerTest, StartsAgainWhatEndedUnseenAndMaySo) {
  make_simple(kRunsOn, "OnFailure");
  until([&] { return pid_of("app") > 0; });
  const int pid = pid_of("app");
  runner_.reset();
  ::kill(pid, SIGKILL);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  new_operator();
  until([&] { return restarts("app") == 1 && pid_of("app") > 0; });
  EXPECT_EQ(of("app")["lastState"]["terminated"]["reason"], "ContainerStatusUnknown");
}

TEST_F(PodRunnerTest, CountsAProcessThatItsStatusDoesNotKnowAsStarted) {
  make_simple(kRunsOn);
  until([&] { return pid_of("app") > 0; });
  const int pid = pid_of("app");
  Json before = status();
  before["containerStatuses"] = Json::array();  // as if the operator had died before it kept it
  ASSERT_TRUE(store_->put_status(key_, before));
  new_operator();
  turn();
  EXPECT_EQ(pid_of("app"), pid);
}

TEST_F(PodRunnerTest, NeverSignalsAnotherProcessThatGotThePid) {
  make_simple(kRunsOn, "Never");
  until([&] { return pid_of("app") > 0; });
  const int pid = pid_of("app");
  const auto id = read_process_record(pod_folder() + "/containers/app.json");
  ASSERT_TRUE(id);
  runner_.reset();
  // Its pid is somebody else's now: whose life began at another moment.
  const std::string other = "{\"pid\":" + std::to_string(pid) +
                            ",\"startTime\":" + std::to_string(id->start_time - 1) +
                            ",\"bootId\":\"" + id->boot_id + "\"}";
  write_text(pod_folder() + "/containers/app.json", other);
  new_operator();
  until([&] { return phase() == "Failed"; });
  remove_pod();
  until([&] { return runner_->is_gone(); });
  EXPECT_TRUE(is_running(*id));
}

TEST_F(PodRunnerTest, TakesNothingUpFromBeforeTheMachineStarted) {
  make_simple(kRunsOn);
  until([&] { return pid_of("app") > 0; });
  const int pid = pid_of("app");
  const auto id = read_process_record(pod_folder() + "/containers/app.json");
  ASSERT_TRUE(id);
  runner_.reset();
  write_text(pod_folder() + "/containers/app.json",
             "{\"pid\":" + std::to_string(pid) +
                 ",\"startTime\":" + std::to_string(id->start_time) + ",\"bootId\":\"another\"}");
  new_operator();
  until([&] { return pid_of("app") > 0 && pid_of("app") != pid; });
  EXPECT_TRUE(is_running(*id));
}

TEST_F(PodRunnerTest, StartsNoSecondProcessWhileItCannotBeSaidWhetherTheFirstRuns) {
  make_simple(kRunsOn, "Never");
  until([&] { return pid_of("app") > 0; });
  const int pid = pid_of("app");
  runner_.reset();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  new_operator();
  turn();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(said_, HasSubstr("Too many open files"));
  pass(std::chrono::seconds(2));
  turn();
  EXPECT_EQ(pid_of("app"), pid);
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(restarts("app"), 0u);
}

TEST_F(PodRunnerTest, SaysOfAnAdoptedProcessThatHowItEndedCannotBeSeen) {
  make_simple(kRunsOn);
  until([&] { return pid_of("app") > 0; });
  // Somebody else's child from here on, as that of an operator before us is.
  const int pid = pid_of("app");
  new_operator();
  turn();
  ::kill(pid, SIGKILL);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  until([&] { return pid_of("app") > 0 && pid_of("app") != pid; });
  EXPECT_THAT(said_, HasSubstr("container app ended; how cannot be seen"));
  EXPECT_THAT(said_, testing::Not(HasSubstr("while no operator")));
}

}  // namespace
}  // namespace pannier::local
