#include "operator/local/object_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "common/files.h"
#include "common/random.h"
#include "tests/support/fake_clock.h"

namespace pannier::local {
namespace {

using kube::Json;
using kube::Key;
using kube::Object;
using testing::HasSubstr;

const Key kOrders{"MessageQueue", "shop", "orders"};

Json queue(const std::string& queue_name = "orders") {
  return {{"apiVersion", "pannier.dev/v1alpha1"},
          {"kind", "MessageQueue"},
          {"metadata", {{"name", "orders"}, {"namespace", "shop"}}},
          {"spec", {{"queueName", queue_name}}}};
}

Json secret(const std::string& name, const std::string& owner_uid) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata",
           {{"name", name},
            {"namespace", "shop"},
            {"ownerReferences", Json::array({{{"kind", "MessageQueue"}, {"uid", owner_uid}}})}}},
          {"data", {{"password", "eA=="}}}};
}

class ObjectStoreTest : public testing::Test {
 protected:
  ObjectStoreTest() {
    std::filesystem::create_directories(places_.state());
    cache_.listen([this](const kube::Cache::Change& change) {
      seen_.push_back((change.after ? "put " : "gone ") + to_text(change.object().key()));
    });
    open();
  }
  ~ObjectStoreTest() override { std::filesystem::remove_all(root_); }

  void open() {
    store_.reset();
    auto opened = ObjectStore::open(places_, cache_, clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    store_ = std::move(*opened);
  }
  Object made(const Json& json) {
    auto object = store_->apply(json);
    EXPECT_TRUE(object) << (object ? "" : object.error().detail);
    return *object;
  }
  Object now(const Key& key = kOrders) { return *store_->get(key); }
  bool is_there(const Key& key) { return store_->get(key).has_value(); }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::recursive_directory_iterator(places_.objects()))
      count += each.is_regular_file() ? 1 : 0;
    return count;
  }

  const std::string root_ = testing::TempDir() + "object_store_" + random_hex(8);
  const Places places_{root_};
  FakeClock clock_;
  kube::Cache cache_;
  std::vector<std::string> seen_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(ObjectStoreTest, GivesWhatTheApiServerGives) {
  const Object object = made(queue());
  EXPECT_EQ(object.metadata().uid.size(), 36u);
  EXPECT_EQ(object.metadata().generation, 1u);
  EXPECT_FALSE(object.metadata().resource_version.empty());
  EXPECT_TRUE(object.metadata().created_at.has_value());
  EXPECT_EQ(cache_.find(kOrders)->metadata().uid, object.metadata().uid);
}

TEST_F(ObjectStoreTest, CountsTheGenerationWhenTheSpecChangesAndOnlyThen) {
  const Object first = made(queue());
  EXPECT_EQ(made(queue()).metadata().resource_version, first.metadata().resource_version);
  Json labelled = queue();
  labelled["metadata"]["labels"]["a"] = "b";
  const Object second = made(labelled);
  EXPECT_EQ(second.metadata().generation, 1u);
  EXPECT_GT(std::stoull(second.metadata().resource_version),
            std::stoull(first.metadata().resource_version));
  Json changed = queue();
  changed["spec"]["paused"] = true;
  const Object third = made(changed);
  EXPECT_EQ(third.metadata().generation, 2u);
  EXPECT_EQ(third.metadata().uid, first.metadata().uid);
  EXPECT_EQ(third.metadata().labels.at("a"), "b");
}

TEST_F(ObjectStoreTest, CountsTheGenerationOfDataToo) {
  made(queue());
  const std::string uid = now().metadata().uid;
  made(secret("ops", uid));
  Json other = secret("ops", uid);
  other["data"]["password"] = "eQ==";
  EXPECT_EQ(made(other).metadata().generation, 2u);
}

TEST_F(ObjectStoreTest, KeepsEverythingOverARestart) {
  const Object before = made(queue());
  ASSERT_TRUE(store_->put_status(kOrders, {{"ready", 3}}));
  const Json json = now().json();
  open();
  EXPECT_EQ(now().json(), json);
  EXPECT_EQ(now().metadata().uid, before.metadata().uid);
  struct stat file {};
  ASSERT_EQ(::stat(places_.object(kOrders).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  EXPECT_GT(std::stoull(made(queue("other")).metadata().resource_version),
            std::stoull(before.metadata().resource_version));
}

TEST_F(ObjectStoreTest, WritesAStatusOnlyWhenItIsAnother) {
  const Object before = made(queue());
  ASSERT_TRUE(store_->put_status(kOrders, {{"ready", 3}}));
  const std::string version = now().metadata().resource_version;
  EXPECT_NE(version, before.metadata().resource_version);
  seen_.clear();
  ASSERT_TRUE(store_->put_status(kOrders, {{"ready", 3}}));
  EXPECT_EQ(now().metadata().resource_version, version);
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(now().metadata().generation, 1u);
  EXPECT_EQ(store_->put_status({"MessageQueue", "shop", "none"}, {}).error().code, Errc::not_found);
}

TEST_F(ObjectStoreTest, WaitsForFinalizersBeforeAnObjectGoes) {
  ASSERT_TRUE(store_->put_finalizers(made(queue()), {"pannier.dev/messages"}));
  ASSERT_TRUE(store_->remove(kOrders, now().metadata().uid));
  EXPECT_TRUE(now().metadata().is_ending());
  EXPECT_EQ(now().metadata().generation, 2u);
  const auto deleted_at = now().metadata().deleted_at;
  clock_.advance(std::chrono::hours{1});
  Json changed = queue();
  changed["spec"]["paused"] = true;
  EXPECT_EQ(made(changed).metadata().deleted_at, deleted_at);
  EXPECT_EQ(store_->put_finalizers(now(), {"pannier.dev/messages", "more"}).error().code,
            Errc::bad_config);
  ASSERT_TRUE(store_->remove(kOrders, {}));
  EXPECT_TRUE(is_there(kOrders));
  open();
  ASSERT_TRUE(store_->put_finalizers(now(), {}));
  EXPECT_FALSE(is_there(kOrders));
  EXPECT_FALSE(cache_.find(kOrders));
  EXPECT_EQ(files(), 0u);
}

TEST_F(ObjectStoreTest, RefusesWhatWasDecidedOnAnOlderState) {
  const Object before = made(queue());
  ASSERT_TRUE(store_->put_status(kOrders, {{"ready", 3}}));
  EXPECT_EQ(store_->put_finalizers(before, {"x"}).error().code, Errc::precondition);
  EXPECT_EQ(store_->remove(kOrders, "another").error().code, Errc::precondition);
  Json wanted = queue();
  wanted["metadata"]["uid"] = "another";
  EXPECT_EQ(store_->apply(wanted).error().code, Errc::precondition);
  EXPECT_EQ(store_->remove({"Pod", "a", "b"}, {}).error().code, Errc::not_found);
}

TEST_F(ObjectStoreTest, EndsAPodInTwoSteps) {
  const Key pod{"Pod", "shop", "till"};
  made({{"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", "till"}, {"namespace", "shop"}}},
        {"spec", {{"containers", Json::array()}}}});
  ASSERT_TRUE(store_->remove(pod, {}));
  EXPECT_TRUE(now(pod).metadata().is_ending());
  ASSERT_TRUE(store_->put_finalizers(now(pod), {}));
  EXPECT_FALSE(is_there(pod));
}

TEST_F(ObjectStoreTest, EndsWhatAnObjectOwnedTogetherWithIt) {
  const std::string uid = made(queue()).metadata().uid;
  made(secret("mine", uid));
  made(secret("other", "somebody-else"));
  ASSERT_TRUE(store_->remove(kOrders, uid));
  EXPECT_FALSE(is_there({"Secret", "shop", "mine"}));
}

TEST_F(ObjectStoreTest, EndsWhatACrashHasLeftWithoutItsOwner) {
  const std::string uid = made(queue()).metadata().uid;
  made(secret("mine", uid));
  std::filesystem::remove(places_.object(kOrders));
  open();
  EXPECT_FALSE(is_there({"Secret", "shop", "mine"}));
}

TEST_F(ObjectStoreTest, TakesOverAManifestAndKeepsWhatTheOperatorHasAdded) {
  Json manifest = queue();
  manifest["metadata"]["labels"] = {{"team", "a"}};
  manifest["metadata"]["annotations"] = {{"note", "x"}};
  ASSERT_TRUE(store_->replace(manifest));
  Json ours = queue();
  ours["metadata"]["annotations"] = {{"pannier.dev/ours", "1"}};
  made(ours);
  ASSERT_TRUE(store_->put_status(kOrders, {{"ready", 3}}));
  const auto after = store_->replace(queue("two"));
  ASSERT_TRUE(after);
  EXPECT_TRUE(after->metadata().labels.empty());
  EXPECT_EQ(after->metadata().annotation("note"), "");
  EXPECT_EQ(after->metadata().annotation("pannier.dev/ours"), "1");
  EXPECT_EQ(after->status().at("ready"), 3);
  EXPECT_EQ(after->metadata().generation, 2u);
}

TEST_F(ObjectStoreTest, DoesNotOpenOverAFileThatItCannotRead) {
  made(queue());
  const std::string path = places_.object(kOrders);
  std::ofstream(path, std::ios::trunc) << "{\"kind\": ";
  kube::Cache cache;
  const auto opened = ObjectStore::open(places_, cache, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::bad_config);
  EXPECT_THAT(opened.error().detail, HasSubstr(path));
  EXPECT_THAT(opened.error().detail, HasSubstr("put it back from a copy"));
  EXPECT_EQ(*read_file(path), "{\"kind\": ");
}

TEST_F(ObjectStoreTest, ForgetsTheDraftsOfWritesThatACrashHasCutOff) {
  made(queue());
  const std::string draft = places_.object(kOrders) + ".new-01234567";
  std::ofstream(draft) << "{";
  open();
  EXPECT_FALSE(std::filesystem::exists(draft));
  EXPECT_TRUE(is_there(kOrders));
}

TEST_F(ObjectStoreTest, KeepsTheLastEventsOnly) {
  for (int i = 0; i < 3'000; ++i)
    store_->record({kOrders, "uid", kube::Event::Type::normal, "Counted", std::to_string(i)});
  const std::string text = *read_file(places_.events());
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  EXPECT_LE(lines, kEventLinesMax);
  EXPECT_GE(lines, kEventsMax);
  EXPECT_THAT(text, HasSubstr("\"note\":\"2999\""));
  EXPECT_THAT(text, HasSubstr("\"note\":\"2000\""));
  open();
  store_->record({kOrders, "uid", kube::Event::Type::warning, "Again", "x"});
  EXPECT_THAT(*read_file(places_.events()), HasSubstr("\"type\":\"Warning\""));
}

}  // namespace
}  // namespace pannier::local
