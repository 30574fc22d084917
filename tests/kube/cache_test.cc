#include "operator/kube/cache.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pannier::kube {
namespace {

Object object(const std::string& name, const std::string& version, const std::string& uid = "u",
              const std::string& kind = "Pod", const std::string& of = "shop") {
  return *Object::from_json(
      {{"apiVersion", "v1"},
       {"kind", kind},
       {"metadata",
        {{"name", name}, {"namespace", of}, {"uid", uid}, {"resourceVersion", version}}}});
}

struct Changes {
  explicit Changes(Cache& cache) {
    cache.listen([this, &cache](const Cache::Change& change) {
      const bool can_be_read = cache.find(change.object().key()).has_value();
      EXPECT_EQ(can_be_read, change.after.has_value());
      seen.push_back((change.before ? change.before->metadata().resource_version : "-") + ">" +
                     (change.after ? change.after->metadata().resource_version : "-") + " " +
                     change.object().metadata().name);
    });
  }
  std::vector<std::string> seen;
};

TEST(Cache, TellsOfWhatIsNewChangedAndGoneAfterItCanBeRead) {
  Cache cache;
  Changes changes(cache);
  cache.put(object("a", "1"));
  cache.put(object("a", "2"));
  cache.remove(object("a", "2").key());
  cache.remove(object("a", "2").key());
  EXPECT_EQ(changes.seen, (std::vector<std::string>{"->1 a", "1>2 a", "2>- a"}));
}

TEST(Cache, TheSameVersionOfTheSameObjectIsNoChange) {
  Cache cache;
  Changes changes(cache);
  cache.put(object("a", "1"));
  cache.put(object("a", "1"));
  EXPECT_EQ(changes.seen.size(), 1u);
  cache.put(object("a", "1", "another"));
  EXPECT_EQ(changes.seen.size(), 2u);
  EXPECT_EQ(cache.find(object("a", "1").key())->metadata().uid, "another");
}

TEST(Cache, AListReplacesItsKindAndNoOther) {
  Cache cache;
  cache.put(object("a", "1"));
  cache.put(object("b", "2"));
  cache.put(object("b", "3", "s", "Secret"));
  cache.put(object("b", "3", "s", "Podlet"));
  Changes changes(cache);
  cache.replace("Pod", {object("b", "2"), object("c", "4")});
  EXPECT_EQ(changes.seen, (std::vector<std::string>{"->4 c", "1>- a"}));
  EXPECT_EQ(cache.list("Secret").size(), 1u);
  EXPECT_EQ(cache.list("Podlet").size(), 1u);
  cache.replace("Pod", {});
  EXPECT_TRUE(cache.list("Pod").empty());
}

TEST(Cache, ListsByNamespaceAndNameAndOneNamespaceOnly) {
  Cache cache;
  for (const auto& [name, of] :
       {std::pair{"b", "shop"}, {"a", "shop"}, {"z", "bank"}, {"c", "shop-2"}})
    cache.put(object(name, "1", "u", "Pod", of));
  std::vector<std::string> names;
  for (const Object& each : cache.list("Pod")) names.push_back(each.metadata().name);
  EXPECT_EQ(names, (std::vector<std::string>{"z", "a", "b", "c"}));
  EXPECT_EQ(cache.list("Pod", "shop").size(), 2u);
  EXPECT_TRUE(cache.list("Pod", "none").empty());
}

}  // namespace
}  // namespace pannier::kube
