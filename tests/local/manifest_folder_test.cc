#include "operator/local/manifest_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "common/random.h"
#include "tests/support/fake_clock.h"

namespace pannier::local {
namespace {

namespace fs = std::filesystem;
using kube::Json;
using kube::Key;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Key kOrders{"MessageQueue", "default", "orders"};
const Key kBills{"MessageQueue", "default", "bills"};
const Key kTill{"Pod", "default", "till"};

std::string queue(const std::string& name, const std::string& spec = "{paused: false}") {
  return "apiVersion: pannier.dev/v1alpha1\nkind: MessageQueue\nmetadata: {name: " + name +
         "}\nspec: " + spec + "\n---\n";
}

std::string pod(const std::string& argument) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: till}\nspec:\n  containers:\n"
         "  - {name: app, image: none, command: [sleep, \"" +
         argument + "\"]}\n";
}

class ManifestFolderTest : public testing::Test {
 protected:
  ManifestFolderTest() {
    fs::create_directories(places_.state());
    store_ = std::move(*ObjectStore::open(places_, cache_, clock_));
    open();
  }
  ~ManifestFolderTest() override {
    fs::permissions(root_, fs::perms::owner_all);
    fs::remove_all(root_);
  }

  void open() {
    ManifestFolder::Hooks hooks;
    hooks.admit = [this](const Json& manifest, const auto&, const auto&) -> Result<Json> {
      if (!refusal_.empty()) return Error{Errc::bad_config, refusal_};
      return manifest;
    };
    hooks.say = [this](bool is_problem, const std::string& text) {
      (is_problem ? problems_ : news_).push_back(text);
    };
    folder_.emplace(places_, *store_, std::move(hooks));
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(root_ + "/" + name, std::ios::binary | std::ios::trunc) << text;
  }
  void look(int times = 4) {
    for (int i = 0; i < times; ++i) folder_->look();
  }
  bool is_there(const Key& key) const { return store_->get(key).has_value(); }
  std::string uid(const Key& key) const {
    const auto found = store_->get(key);
    return found ? found->metadata().uid : "none";
  }
  std::string problem() const { return problems_.empty() ? "" : problems_.back(); }

  const std::string root_ = testing::TempDir() + "manifests_" + random_hex(8);
  const Places places_{root_};
  FakeClock clock_;
  kube::Cache cache_;
  std::unique_ptr<ObjectStore> store_;
  std::vector<std::string> news_, problems_;
  std::string refusal_;
  std::optional<ManifestFolder> folder_;
};

TEST_F(ManifestFolderTest, TakesAFileOnceItHasStayedTheSameForALook) {
  write("orders.yaml", queue("orders"));
  look(1);
  EXPECT_FALSE(is_there(kOrders));
  EXPECT_FALSE(folder_->is_settled());
  write("orders.yaml", queue("orders") + queue("bills"));
  look(1);
  EXPECT_FALSE(is_there(kOrders));
  look(1);
  EXPECT_TRUE(is_there(kOrders));
  EXPECT_TRUE(is_there(kBills));
  EXPECT_TRUE(folder_->is_settled());
  EXPECT_THAT(news_, Contains("orders.yaml: MessageQueue default/orders created"));
  news_.clear();
  look();
  EXPECT_THAT(news_, IsEmpty());
}

TEST_F(ManifestFolderTest, DeletesWhatAFileNoLongerSaysAfterTwoLooks) {
  write("orders.yaml", queue("orders") + queue("bills"));
  look();
  write("orders.yaml", queue("orders"));
  look(2);
  EXPECT_TRUE(is_there(kBills));
  look(1);
  EXPECT_FALSE(is_there(kBills));
  fs::remove(root_ + "/orders.yaml");
  look(1);
  EXPECT_TRUE(is_there(kOrders));
  look(1);
  EXPECT_FALSE(is_there(kOrders));
}

TEST_F(ManifestFolderTest, KeepsTheObjectsOfAFileThatTurnsBad) {
  write("orders.yaml", queue("orders"));
  look();
  const std::string before = uid(kOrders);
  write("orders.yaml", queue("orders", "{pausd: true}"));
  look();
  EXPECT_EQ(uid(kOrders), before);
  EXPECT_THAT(problem(), HasSubstr("orders.yaml:4"));
  const std::size_t said = problems_.size();
  look();
  EXPECT_EQ(problems_.size(), said);
  write("orders.yaml", queue("orders", "{paused: true}"));
  look();
  EXPECT_EQ(store_->get(kOrders)->spec().at("paused"), true);
  EXPECT_EQ(uid(kOrders), before);
}

// Editors truncate a file and write it later; a full disk leaves it so.
TEST_F(ManifestFolderTest, KeepsTheObjectsOfAFileThatIsEmptied) {
  for (const char* const text : {"", "\n", "# paused: true\n---\n"}) {
    write("a.yaml", queue("orders"));
    look(2);
    const std::string uid = store_->get(kOrders)->metadata().uid;
    problems_.clear();
    write("a.yaml", text);
    look(6);
    ASSERT_TRUE(store_->get(kOrders)) << text;
    EXPECT_THAT(problems_, testing::ElementsAre(HasSubstr("a.yaml: is empty")));
    open();  // an operator that starts now knows it too
    look(6);
    ASSERT_TRUE(store_->get(kOrders)) << text;
    EXPECT_EQ(store_->get(kOrders)->metadata().uid, uid);
  }
  problems_.clear();
  fs::remove(root_ + "/a.yaml");
  look(4);
  EXPECT_FALSE(store_->get(kOrders));
  write("new.yaml", "");  // it has nothing to lose
  look(4);
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(ManifestFolderTest, TakesAFileWholeOrNotAtAll) {
  write("both.yaml", queue("orders") + queue("bills", "{paused: maybe}"));
  look();
  EXPECT_FALSE(is_there(kOrders));
  refusal_ = "not today";
  write("both.yaml", queue("orders") + queue("bills"));
  look();
  EXPECT_FALSE(is_there(kOrders));
  EXPECT_THAT(problem(), HasSubstr("both.yaml:1: MessageQueue default/orders: not today"));
  refusal_.clear();
  look(1);
  EXPECT_TRUE(is_there(kOrders));
  EXPECT_TRUE(is_there(kBills));
}

TEST_F(ManifestFolderTest, KeepsTheObjectsOfAFileThatIsRenamed) {
  write("a.yaml", queue("orders"));
  look();
  const std::string before = uid(kOrders);
  fs::rename(root_ + "/a.yaml", root_ + "/b.yaml");
  look();
  EXPECT_EQ(uid(kOrders), before);
  EXPECT_THAT(news_, Contains("b.yaml: MessageQueue default/orders moved here from a.yaml"));
  fs::remove(root_ + "/b.yaml");
  look(1);
  write("c.yaml", queue("orders"));
  look();
  EXPECT_EQ(uid(kOrders), before);
}

TEST_F(ManifestFolderTest, ForgetsNothingOverARestart) {
  write("a.yaml", queue("orders"));
  write("b.yaml", queue("bills"));
  look();
  const std::string before = uid(kOrders);
  fs::remove(root_ + "/b.yaml");
  open();
  look();
  EXPECT_EQ(uid(kOrders), before);
  EXPECT_FALSE(is_there(kBills));
}

TEST_F(ManifestFolderTest, RefusesTheSecondOfTwoFilesWithOneObject) {
  write("z.yaml", queue("orders"));
  look();
  write("a.yaml", queue("orders", "{paused: true}"));
  look();
  EXPECT_THAT(problem(), HasSubstr("a.yaml:1: MessageQueue default/orders is in z.yaml as well"));
  EXPECT_EQ(store_->get(kOrders)->spec().at("paused"), false);
  fs::remove(root_ + "/z.yaml");
  look();
  EXPECT_EQ(store_->get(kOrders)->spec().at("paused"), true);
}

TEST_F(ManifestFolderTest, RefusesToChangeWhatCannotChange) {
  write("pod.yaml", pod("1"));
  write("orders.yaml", queue("orders", "{queueName: orders}"));
  look();
  ASSERT_TRUE(is_there(kTill));
  write("pod.yaml", pod("2"));
  look();
  EXPECT_THAT(problem(),
              HasSubstr("pod.yaml:1: Pod default/till: the spec of a pod cannot change"));
  EXPECT_THAT(problem(), HasSubstr("delete the manifest, wait until the pod is gone"));
  write("orders.yaml", queue("orders", "{queueName: other}"));
  look();
  EXPECT_THAT(problem(), HasSubstr("orders.yaml:1: MessageQueue default/orders: queueName"));
  EXPECT_EQ(store_->get(kOrders)->spec().at("queueName"), "orders");
}

TEST_F(ManifestFolderTest, MakesAnObjectAnewOnceItsDeletionIsDone) {
  write("pod.yaml", pod("1"));
  look();
  const std::string before = uid(kTill);
  fs::remove(root_ + "/pod.yaml");
  look();
  EXPECT_TRUE(store_->get(kTill)->metadata().is_ending());
  write("pod.yaml", pod("2"));
  look();
  EXPECT_EQ(uid(kTill), before);
  EXPECT_FALSE(folder_->is_settled());
  EXPECT_THAT(news_.back(), HasSubstr("still being deleted"));
  ASSERT_TRUE(store_->put_finalizers(*store_->get(kTill), {}));
  look();
  EXPECT_TRUE(is_there(kTill));
  EXPECT_NE(uid(kTill), before);
  EXPECT_TRUE(folder_->is_settled());
}

TEST_F(ManifestFolderTest, SaysWhatIsNoManifest) {
  fs::create_directory(root_ + "/folder.yaml");
  fs::create_symlink("/nowhere", root_ + "/link.yaml");
  ::mkfifo((root_ + "/fifo.yaml").c_str(), 0600);
  write("big.yaml", std::string(kManifestBytesMax + 1, '#'));
  write("latin.yaml", "# a\n# caf\xe9\n");
  write(".hidden.yaml", "nonsense");
  write("notes.txt", "nonsense");
  look();
  EXPECT_THAT(problems_, Contains(HasSubstr("folder.yaml: is a folder")));
  EXPECT_THAT(problems_, Contains(HasSubstr("link.yaml: is a link that leads nowhere")));
  EXPECT_THAT(problems_, Contains(HasSubstr("fifo.yaml: is no ordinary file")));
  EXPECT_THAT(problems_, Contains(HasSubstr("big.yaml: has more than 4 MiB")));
  EXPECT_THAT(problems_, Contains(HasSubstr("latin.yaml:2: is not UTF-8")));
  EXPECT_EQ(problems_.size(), 5u);
  EXPECT_TRUE(folder_->is_settled());
}

TEST_F(ManifestFolderTest, DeletesNothingWhenItsFolderVanishes) {
  write("orders.yaml", queue("orders"));
  look();
  const std::string away = root_ + ".away";
  fs::rename(root_, away);
  look();
  EXPECT_THAT(problem(), HasSubstr("cannot be read"));
  EXPECT_EQ(problems_.size(), 1u);
  fs::create_directory(root_);  // a mount point without its mount
  look();
  EXPECT_TRUE(is_there(kOrders));
  fs::remove_all(root_);
  fs::rename(away, root_);
  look();
  EXPECT_TRUE(is_there(kOrders));
  EXPECT_THAT(news_.back(), HasSubstr("can be read again"));
}

TEST_F(ManifestFolderTest, DeletesNothingForASaveThatLeftAnEmptyFile) {
  write("orders.yaml", queue("orders"));
  look();
  for (const char* const text : {"", " \n\n"}) {
    write("orders.yaml", text);
    look(8);
    EXPECT_TRUE(is_there(kOrders));
    EXPECT_THAT(problem(), HasSubstr("orders.yaml: is empty"));
    open();
    look(8);
    EXPECT_TRUE(is_there(kOrders));
  }
  fs::remove(root_ + "/orders.yaml");
  look(8);
  EXPECT_FALSE(is_there(kOrders));
}

TEST_F(ManifestFolderTest, ChangesNothingWhileAnotherFolderIsInItsPlace) {
  write("orders.yaml", queue("orders"));
  look();
  fs::rename(places_.state(), root_ + "/.away");
  fs::create_directory(places_.state());
  fs::remove(root_ + "/orders.yaml");
  look(8);
  EXPECT_TRUE(is_there(kOrders));
  EXPECT_THAT(problem(), HasSubstr("another one"));
}

}  // namespace
}  // namespace pannier::local
