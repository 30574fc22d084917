#include <gtest/gtest.h>

#include "common/base64.h"
#include "common/password_hash.h"
#include "operator/user_secret.h"
#include "tests/operator/world.h"

namespace pannier {
namespace {

struct UserTest : testing::Test {
  World world;

  static kube::Key user_key(const std::string& name) { return {"MessageQueueUser", kShop, name}; }
  static kube::Key secret_key(const std::string& name) { return {"Secret", kShop, name}; }
  void SetUp() override { world.add_pod("a"); }
  void add_user(const std::string& name, kube::Json spec = kube::Json::object()) {
    world.api.put({{"apiVersion", "pannier.dev/v1alpha1"},
                   {"kind", "MessageQueueUser"},
                   {"metadata", {{"name", name}, {"namespace", kShop}}},
                   {"spec", std::move(spec)}});
  }
  void add_secret(const std::string& name, const std::string& password, kube::Json labels) {
    world.api.put({{"apiVersion", "v1"},
                   {"kind", "Secret"},
                   {"metadata", {{"name", name}, {"namespace", kShop}, {"labels", labels}}},
                   {"data", {{"password", to_base64(password)}}}});
  }
  void reconcile(const std::string& name) {
    const auto done = reconcile_message_queue_user(world.context, user_key(name));
    ASSERT_TRUE(done) << done.error().detail;
    world.render();
  }
  std::string ready(const std::string& name) {
    const kube::Json user = *world.api.find(user_key(name));
    const kube::Json& found = find_condition(user["status"], "Ready");
    return found["status"].get<std::string>() + " " + found["reason"].get<std::string>();
  }
  std::string value(const std::string& secret, const std::string& key) {
    return api::secret_value(*world.cache.find(secret_key(secret)), key);
  }
  bool can_log_in(const std::string& user, const std::string& password) {
    for (const PolicyUser& each : world.policy("a").users)
      if (each.name == user) return matches_password(each.passwords.at(0).hash, password);
    return false;
  }
};

TEST_F(UserTest, GetsASecretOfItsOwnAndCanLogIn) {
  add_user("ops");
  reconcile("ops");
  const std::string password = value("ops-pannier-user", "password");
  EXPECT_EQ(password.size(), 32u);
  EXPECT_EQ(password.find_first_not_of("0123456789abcdef"), password.npos);
  EXPECT_EQ(value("ops-pannier-user", "username"), "ops");
  EXPECT_EQ(value("ops-pannier-user", "amqp-url"),
            "amqps://ops:" + password + "@localhost:5671/%2F");
  EXPECT_EQ(value("ops-pannier-user", "http-url"), "https://localhost:8443");
  const kube::Json secret = *world.api.find(secret_key("ops-pannier-user"));
  const kube::Json& owner = secret["metadata"]["ownerReferences"][0];
  EXPECT_EQ(owner["uid"], (*world.api.find(user_key("ops")))["metadata"]["uid"]);
  EXPECT_EQ(owner["controller"], true);
  EXPECT_EQ(ready("ops"), "True SecretReady");
  EXPECT_TRUE(can_log_in("ops", password));

  reconcile("ops");
  EXPECT_EQ(value("ops-pannier-user", "password"), password);
  // Status and documents never hold it.
  EXPECT_EQ(world.api.find(user_key("ops"))->dump().find(password), std::string::npos);
  EXPECT_EQ(world.board.find(world.agents["a"].pod_uid)->policy.find(password), std::string::npos);
}

TEST_F(UserTest, AForeignSecretIsNeitherUsedNorWritten) {
  add_secret("ops-pannier-user", "theirs", {{"pannier.dev/user", "somebody"}});
  const auto before = world.api.find(secret_key("ops-pannier-user"));
  add_user("ops");
  reconcile("ops");
  EXPECT_EQ(ready("ops"), "False SecretNotOurs");
  EXPECT_EQ(world.api.find(secret_key("ops-pannier-user")), before);
  EXPECT_FALSE(can_log_in("ops", "theirs"));
  EXPECT_TRUE(world.policy("a").users.empty());
}

// The watch may be behind: what the API has counts.
TEST_F(UserTest, ASecretThatTheCacheDoesNotShowYetIsNotTakenOver) {
  add_user("ops");
  world.api.hold_back();
  add_secret("ops-pannier-user", "theirs", kube::Json::object());
  const auto before = world.api.find(secret_key("ops-pannier-user"));
  reconcile("ops");
  EXPECT_EQ(world.api.find(secret_key("ops-pannier-user")), before);
  world.api.show();
  EXPECT_EQ(ready("ops"), "False SecretNotOurs");
}

TEST_F(UserTest, ASecretThatIsLabelledForItIsUsedAndNeverWritten) {
  add_secret("mine", "given", {{"pannier.dev/user", "ops"}});
  const auto before = world.api.find(secret_key("mine"));
  add_user("ops", {{"secretName", "mine"}, {"userName", "operations"}});
  reconcile("ops");
  EXPECT_EQ(ready("ops"), "True SecretReady");
  EXPECT_EQ(world.api.find(secret_key("mine")), before);
  EXPECT_TRUE(can_log_in("operations", "given"));
}

TEST_F(UserTest, AnEmptyPasswordLogsNobodyInAndSaysWhatToDo) {
  add_secret("mine", "", {{"pannier.dev/user", "ops"}});
  add_user("ops", {{"secretName", "mine"}});
  reconcile("ops");
  EXPECT_EQ(ready("ops"), "False PasswordMissing");
  EXPECT_TRUE(world.policy("a").users.empty());
}

TEST_F(UserTest, APasswordThatSomebodyChangesInOurSecretCountsAndItsUrlFollows) {
  add_user("ops");
  reconcile("ops");
  world.api.change(secret_key("ops-pannier-user"),
                   [](kube::Json& secret) { secret["data"]["password"] = to_base64("a/b:c@é"); });
  reconcile("ops");
  EXPECT_EQ(value("ops-pannier-user", "amqp-url"),
            "amqps://ops:a%2Fb%3Ac%40%C3%A9@localhost:5671/%2F");
  EXPECT_TRUE(can_log_in("ops", "a/b:c@é"));
}

TEST_F(UserTest, OfTwoOfOneNameTheOlderWins) {
  add_user("ops");
  world.clock.advance(std::chrono::seconds{1});
  add_user("also", {{"userName", "ops"}});
  reconcile("ops");
  reconcile("also");
  EXPECT_EQ(ready("also"), "False NameTaken");
  EXPECT_FALSE(world.api.find(secret_key("also-pannier-user")));
  ASSERT_EQ(world.policy("a").users.size(), 1u);
  EXPECT_TRUE(can_log_in("ops", value("ops-pannier-user", "password")));

  world.api.kill(user_key("ops"));
  reconcile("also");
  EXPECT_EQ(ready("also"), "True SecretReady");
  EXPECT_TRUE(can_log_in("ops", value("also-pannier-user", "password")));
}

TEST_F(UserTest, TheSecretOfAnEarlierUserOfThatNameIsNotUsed) {
  add_user("ops");
  reconcile("ops");
  const std::string before = value("ops-pannier-user", "password");
  world.api.kill(user_key("ops"));
  add_user("ops");
  world.render();
  EXPECT_FALSE(can_log_in("ops", before));
  reconcile("ops");
  reconcile("ops");
  EXPECT_EQ(ready("ops"), "True SecretReady");
  EXPECT_NE(value("ops-pannier-user", "password"), before);
}

TEST_F(UserTest, TheSecretOfAnotherLivingUserIsLeftAlone) {
  add_user("ops");
  reconcile("ops");
  const std::string before = value("ops-pannier-user", "password");
  add_user("thief", {{"secretName", "ops-pannier-user"}});
  reconcile("thief");
  EXPECT_EQ(ready("thief"), "False SecretNotOurs");
  reconcile("ops");
  EXPECT_EQ(value("ops-pannier-user", "password"), before);
}

TEST(AgentClassReconciler, SaysHowManyUseItAndWhichIsTheDefault) {
  World world;
  const auto add_class = [&](const std::string& name, bool is_marked) {
    world.clock.advance(std::chrono::seconds{1});
    kube::Json metadata = {{"name", name}};
    if (is_marked) metadata["annotations"] = {{"pannier.dev/is-default-class", "true"}};
    world.api.put(
        {{"apiVersion", "pannier.dev/v1alpha1"}, {"kind", "AgentClass"}, {"metadata", metadata}});
  };
  const auto status = [&](const std::string& name) {
    const kube::Key key{"AgentClass", "", name};
    EXPECT_TRUE(reconcile_agent_class(world.context, key));
    return (*world.api.find(key))["status"];
  };
  world.add_pod("a");
  world.add_pod("b");
  world.add_pod("over");
  world.api.change(World::pod_key("over"),
                   [](kube::Json& pod) { pod["status"]["phase"] = "Succeeded"; });
  add_class("default", false);
  EXPECT_EQ(status("default")["agents"], 2);
  EXPECT_EQ(status("default")["isDefault"], true);
  add_class("first", true);
  add_class("another", true);
  EXPECT_EQ(status("default")["isDefault"], false);
  EXPECT_EQ(status("first")["isDefault"], true);
  EXPECT_EQ(status("another")["isDefault"], false);
  EXPECT_NE(status("another")["conditions"][0]["message"].get<std::string>().find("first"),
            std::string::npos);
  const unsigned writes = world.api.status_writes;
  status("first");
  EXPECT_EQ(world.api.status_writes, writes);
}

}  // namespace
}  // namespace pannier
