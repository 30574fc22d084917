// LocalOperator from open to down, on real threads, with tests/local/fake_agent.py as its agent.
#include "operator/local/local_operator.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "operator/local/places.h"
#include "operator/local/process_id.h"
#include "tests/local/folder.h"

namespace pannier::local {
namespace {

using testing::HasSubstr;

constexpr const char* kPod = R"(apiVersion: v1
kind: Pod
metadata: {name: till, namespace: shop, labels: {pannier.dev/inject: enabled}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: app, image: none, command: [sh, -c, "mkfifo never$$; exec cat never$$"]}
)";

class LocalOperatorTest : public testing::Test {
 protected:
  ~LocalOperatorTest() override {
    for (const ProcessId& id : processes())
      if (is_running(id)) ::kill(-id.pid, SIGKILL);
  }
  LocalOptions options() {
    LocalOptions options;
    options.folder = folder_.path();
    options.agent_program = PANNIER_FAKE_AGENT;
    options.look_interval = std::chrono::milliseconds(5);
    options.say = [this](bool, const std::string& text) {
      const std::lock_guard lock(mutex_);
      said_ += text + "\n";
      has_said_.notify_all();
    };
    return options;
  }
  void open() {
    local_.reset();
    auto opened = LocalOperator::open(options());
    ASSERT_TRUE(opened) << opened.error().detail;
    local_ = std::move(*opened);
  }
  void until_said(const std::string& text) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(has_said_.wait_for(lock, std::chrono::milliseconds(kSafetyNetMs),
                                   [&] { return said_.find(text) != std::string::npos; }))
        << text << " is not in:\n"
        << said_;
  }
  // Runs it until that has been said.
  void run_until(const std::string& text) {
    std::thread runner([this] { EXPECT_TRUE(local_->run()); });
    until_said(text);
    local_->stop();
    runner.join();
  }
  std::vector<ProcessId> processes() const {
    std::vector<ProcessId> all;
    std::error_code failed;
    for (std::filesystem::recursive_directory_iterator each(places_.pods(), failed), end;
         !failed && each != end; each.increment(failed))
      if (each->path().parent_path().filename() == "containers")
        if (const auto id = read_process_record(each->path().string())) all.push_back(*id);
    return all;
  }
  mode_t mode_of(const std::string& path) const {
    struct stat found {};
    EXPECT_EQ(::stat(path.c_str(), &found), 0);
    return found.st_mode & 0777;
  }

  Folder folder_;
  const Places places_{folder_.path()};
  std::mutex mutex_;
  std::condition_variable has_said_;
  std::string said_;
  std::unique_ptr<LocalOperator> local_;
};

TEST_F(LocalOperatorTest, LeavesItsPodsRunningAndTheNextOneTakesThemUpAndEndsThem) {
  write_text(folder_ / "till.yaml", kPod);
  open();
  run_until("container app runs");
  EXPECT_THAT(said_, HasSubstr("the pods run on"));
  const auto before = processes();
  ASSERT_EQ(before.size(), 2u);
  for (const ProcessId& id : before) EXPECT_TRUE(is_running(id));
  said_.clear();
  open();
  run_until("agent ready");
  EXPECT_EQ(processes(), before);

  open();
  const auto done = local_->down();
  EXPECT_TRUE(done) << done.error().detail;
  for (const ProcessId& id : before) EXPECT_FALSE(is_running(id));
  EXPECT_TRUE(std::filesystem::is_empty(places_.pods()));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "till.yaml"));
}

TEST_F(LocalOperatorTest, SaysWhenAnObjectThatWasBeingDeletedHasGone) {
  write_text(folder_ / "orders.yaml",
             "apiVersion: pannier.dev/v1alpha1\nkind: MessageQueue\n"
             "metadata: {name: orders, namespace: shop}\nspec: {}\n");
  open();
  std::thread runner([this] { EXPECT_TRUE(local_->run()); });
  until_said("MessageQueue shop/orders created");
  // Without the operator's finalizer it would go at once, and nothing would be left to say.
  const std::string kept = places_.object({"MessageQueue", "shop", "orders"});
  while (text_of(kept).find("\"finalizers\"") == std::string::npos) std::this_thread::yield();
  std::filesystem::remove(folder_ / "orders.yaml");
  until_said("orders.yaml: MessageQueue shop/orders is being deleted");
  until_said("MessageQueue shop/orders: gone");
  local_->stop();
  runner.join();
}

TEST_F(LocalOperatorTest, HasItsFolderAlone) {
  open();
  const auto second = LocalOperator::open(options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::spool_locked);
  EXPECT_THAT(second.error().detail, HasSubstr("pid " + std::to_string(::getpid())));
}

TEST_F(LocalOperatorTest, ClosesItsFolderToOtherUsers) {
  std::filesystem::create_directory(places_.state());
  ::chmod(places_.state().c_str(), 0755);
  open();
  EXPECT_EQ(mode_of(places_.state()), 0700);
}

TEST_F(LocalOperatorTest, FailsADownThatWasStoppedBeforeThePodsHadEnded) {
  write_text(folder_ / "till.yaml", kPod);
  open();
  run_until("container app runs");
  open();
  local_->stop();
  const auto done = local_->down();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::closed);
}

}  // namespace
}  // namespace pannier::local
