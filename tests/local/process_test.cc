#include "operator/local/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "operator/local/pidfd.h"
#include "tests/local/folder.h"

namespace pannier::local {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ProcessTest : public testing::Test {
 protected:
  ~ProcessTest() override {
    for (const int pid : started_) ::kill(-pid, SIGKILL);
  }

  ProcessSpec spec(std::vector<std::string> argv) const {
    return {std::move(argv),
            {"PATH=/usr/bin:/bin", "COLOUR=blue"},
            folder_.path(),
            folder_ / "log",
            folder_ / "record.json"};
  }
  ProcessSpec shell(const std::string& script) const { return spec({"sh", "-c", script}); }
  Process started(const ProcessSpec& of) {
    auto process = Process::start(of);
    if (!process) {
      ADD_FAILURE() << process.error().detail;
      std::abort();
    }
    started_.push_back(process->id().pid);
    return std::move(*process);
  }
  static ProcessEnd end_of(Process& process) {
    EXPECT_TRUE(is_readable(process.descriptor()));
    const auto end = process.end();
    EXPECT_TRUE(end);
    return end.value_or(ProcessEnd{});
  }
  // A pipe that the script can open by its path, and whose reader sees when nobody has it open.
  std::string make_pipe(const std::string& name) const {
    EXPECT_EQ(::mkfifo((folder_ / name).c_str(), 0600), 0);
    return folder_ / name;
  }

  Folder folder_;
  std::vector<int> started_;
};

TEST_F(ProcessTest, RunsAProgramThatIsFoundInThePathOfItsEnvironment) {
  Process process = started(shell("echo $COLOUR in $(pwd); exit 7"));
  EXPECT_EQ(end_of(process).exit_code, 7);
  EXPECT_EQ(text_of(folder_ / "log"), "blue in " + folder_.path() + "\n");
}

TEST_F(ProcessTest, AppendsToTheLogOfThoseBeforeIt) {
  write_text(folder_ / "log", "before\n");
  Process process = started(shell("echo out; echo err >&2"));
  end_of(process);
  EXPECT_EQ(text_of(folder_ / "log"), "before\nout\nerr\n");
}

TEST_F(ProcessTest, TellsTheSignalThatEndedIt) {
  Process process = started(shell("kill -9 $$"));
  const ProcessEnd end = end_of(process);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_FALSE(end.exit_code);
}

TEST_F(ProcessTest, SaysThatACommandIsNotThereAndLeavesNoRecord) {
  for (const char* const name : {"no-such-program", "/no/such/program"}) {
    const auto process = Process::start(spec({name}));
    ASSERT_FALSE(process);
    EXPECT_EQ(process.error().code, Errc::bad_config);
    EXPECT_THAT(process.error().detail, AllOf(HasSubstr("command not found"), HasSubstr(name)));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "record.json"));
  }
}

TEST_F(ProcessTest, SaysWhyAFileThatIsThereCannotBeRun) {
  write_text(folder_ / "plain", "text\n");
  const auto process = Process::start(spec({folder_ / "plain"}));
  ASSERT_FALSE(process);
  EXPECT_THAT(process.error().detail,
              AllOf(HasSubstr("cannot run"), HasSubstr("Permission denied")));
}

TEST_F(ProcessTest, SaysThatItsFolderIsNotThere) {
  ProcessSpec nowhere = shell("true");
  nowhere.working_dir = folder_ / "nowhere";
  const auto process = Process::start(nowhere);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().code, Errc::bad_config);
  EXPECT_THAT(process.error().detail, HasSubstr("nowhere"));
}

TEST_F(ProcessTest, DoesNotStartWhereItCannotLeaveARecord) {
  ProcessSpec unrecorded = shell("echo ran");
  unrecorded.record_file = folder_ / "nowhere/record.json";
  const auto process = Process::start(unrecorded);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().code, Errc::io_error);
  EXPECT_EQ(text_of(folder_ / "log"), "");
}

TEST_F(ProcessTest, HasWrittenItsRecordBeforeItIsTheProgram) {
  Process process = started(shell("cat record.json"));
  end_of(process);
  EXPECT_EQ(text_of(folder_ / "log"), text_of(folder_ / "record.json"));
  EXPECT_EQ(*read_process_record(folder_ / "record.json"), process.id());
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "record.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(ProcessTest, LeadsASessionOfItsOwn) {
  Process process = started(shell("exec cut -d' ' -f1,5,6 /proc/self/stat"));
  end_of(process);
  const std::string pid = std::to_string(process.id().pid);
  EXPECT_EQ(text_of(folder_ / "log"), pid + " " + pid + " " + pid + "\n");
}

TEST_F(ProcessTest, InheritsNoDescriptorButItsThree) {
  const int leaked = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  ASSERT_GE(leaked, 3);
  Process process = started(spec({"ls", "/proc/self/fd"}));
  end_of(process);
  ::close(leaked);
  EXPECT_EQ(text_of(folder_ / "log"), "0\n1\n2\n3\n");  // 3: the folder that ls reads
}

TEST_F(ProcessTest, BeginsWithEverySignalAsUsual) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto pipes = std::signal(SIGPIPE, SIG_IGN);
  Process process = started(spec({"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"}));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::signal(SIGPIPE, pipes);
  end_of(process);
  const std::string none = "\t0000000000000000\n";
  EXPECT_EQ(text_of(folder_ / "log"), "SigBlk:" + none + "SigIgn:" + none);
}

TEST_F(ProcessTest, LeaksNoDescriptorHereWhetherItStartsOrNot) {
  const auto open_now = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_now();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(Process::start(spec({"no-such-program"})));
    Process process = started(shell("true"));
    end_of(process);
    Process moved = std::move(process);
    EXPECT_FALSE(Process::adopt(folder_ / "record.json"));
  }
  EXPECT_EQ(open_now(), before);
}

TEST_F(ProcessTest, LivesOnWithoutItsHandleAndIsAdopted) {
  ProcessId id;
  {
    Process process = started(spec({"cat", make_pipe("wait")}));
    id = process.id();
  }
  auto adopted = Process::adopt(folder_ / "record.json");
  ASSERT_TRUE(adopted);
  EXPECT_EQ(adopted->id(), id);
  EXPECT_TRUE(adopted->is_running());
  adopted->signal(SIGTERM);
  end_of(*adopted);
}

TEST_F(ProcessTest, IsUnknownHowItEndedWhereSomebodyElseReapedIt) {
  Process process = started(shell("exit 0"));
  auto adopted = Process::adopt(folder_ / "record.json");
  if (!adopted) adopted = std::move(process);
  ASSERT_TRUE(is_readable(adopted->descriptor()));
  ASSERT_EQ(::waitpid(started_.front(), nullptr, 0), started_.front());
  const auto end = adopted->end();
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->exit_code);
  EXPECT_FALSE(end->signal);
}

TEST_F(ProcessTest, AdoptsNobodyWhoHasThePidOfARecordButIsAnother) {
  Process process = started(spec({"cat", make_pipe("wait")}));
  const ProcessId id = process.id();
  const auto write_record = [&](std::uint64_t start_time, const std::string& boot) {
    write_text(folder_ / "other.json", "{\"pid\":" + std::to_string(id.pid) +
                                           ",\"startTime\":" + std::to_string(start_time) +
                                           ",\"bootId\":\"" + boot + "\"}");
  };
  write_record(id.start_time, id.boot_id);
  EXPECT_TRUE(Process::adopt(folder_ / "other.json"));
  write_record(id.start_time + 1, id.boot_id);
  EXPECT_FALSE(Process::adopt(folder_ / "other.json"));
  write_record(id.start_time, "00000000-0000-0000-0000-000000000000");
  EXPECT_FALSE(Process::adopt(folder_ / "other.json"));
  EXPECT_TRUE(process.is_running());
}

TEST_F(ProcessTest, AdoptsNothingFromARecordThatIsNone) {
  for (const char* const text :
       {"", "{", "[]", "{\"pid\":0}", "{\"pid\":-1,\"startTime\":1,\"bootId\":\"x\"}",
        "{\"pid\":\"1\",\"startTime\":1,\"bootId\":\"x\"}", "{\"pid\":1,\"startTime\":1}"}) {
    write_text(folder_ / "bad.json", text);
    EXPECT_FALSE(Process::adopt(folder_ / "bad.json")) << text;
  }
  EXPECT_FALSE(Process::adopt(folder_ / "missing.json"));
}

TEST_F(ProcessTest, DoesNotAdoptAZombie) {
  Process process = started(shell("exit 0"));
  ASSERT_TRUE(is_readable(process.descriptor()));
  EXPECT_FALSE(Process::adopt(folder_ / "record.json"));
}

TEST_F(ProcessTest, SignalsItsWholeGroupOnce) {
  const std::string pipe = make_pipe("ready");
  make_pipe("never");
  Process process =
      started(shell("trap 'echo leader >> told' TERM; (trap 'echo child >> told; exit' TERM; "
                    "echo > ready; while :; do read line < never || :; done) & wait; wait"));
  const int ready = ::open(pipe.c_str(), O_RDONLY);
  ASSERT_GE(ready, 0);
  ASSERT_TRUE(is_readable(ready));
  ::close(ready);
  process.signal(SIGTERM);
  end_of(process);
  EXPECT_THAT(text_of(folder_ / "told"), AllOf(HasSubstr("leader\n"), HasSubstr("child\n")));
  EXPECT_EQ(text_of(folder_ / "told").size(), std::string("leader\nchild\n").size());
}

TEST_F(ProcessTest, EndsWhatALeaderHasLeftThatNobodySawEndButNoStranger) {
  make_pipe("never");
  for (const bool is_ours : {true, false}) {
    const std::string pipe = make_pipe(is_ours ? "ours" : "strangers");
    ProcessSpec leaves = shell("cat never & echo $! > " + pipe + "; exec cat never");
    leaves.environment.push_back(is_ours ? "PANNIER_DIR=/ours" : "PANNIER_DIR=/ours/2");
    Process process = started(leaves);
    int left = 0;
    std::ifstream(pipe) >> left;
    ASSERT_GT(left, 0);
    const int followed = ::pidfd_open(left, 0);
    ASSERT_GE(followed, 0);
    ::kill(process.id().pid, SIGKILL);
    ASSERT_EQ(::waitpid(process.id().pid, nullptr, 0), process.id().pid);
    end_left_over(process.id(), "PANNIER_DIR=/ours");
    if (is_ours) {
      EXPECT_TRUE(is_readable(followed)) << "it has ended";
    } else {
      pollfd looked{followed, POLLIN, 0};
      EXPECT_EQ(::poll(&looked, 1, 0), 0) << "it still runs";
      ::kill(left, SIGKILL);
    }
    ::close(followed);
  }
}

TEST_F(ProcessTest, EndsWhatItsLeaderHasLeftBehind) {
  make_pipe("never");
  const int held = ::open(make_pipe("held").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(held, 0);
  Process process = started(shell("exec 5> held; (trap '' TERM; cat never) & exit 0"));
  ASSERT_TRUE(is_readable(process.descriptor()));
  char byte = 0;
  EXPECT_EQ(::read(held, &byte, 1), -1);  // somebody still has it open
  process.end();
  ASSERT_TRUE(is_readable(held));
  EXPECT_EQ(::read(held, &byte, 1), 0);
  ::close(held);
}

TEST(ProcessStat, ReadsANameWithSpacesAndBrackets) {
  const auto stat = parse_process_stat(
      "42 (a) b) S 1 42 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 2\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->session, 41);
  EXPECT_EQ(stat->start_time, 987'654u);
  EXPECT_FALSE(parse_process_stat("42 (a) S 1"));
  EXPECT_FALSE(parse_process_stat(""));
}

}  // namespace
}  // namespace pannier::local
