#include "operator/kube/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pannier::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Json full() {
  return Json::parse(R"({
    "apiVersion": "pannier.dev/v1alpha1", "kind": "MessageQueue",
    "metadata": {"namespace": "shop", "name": "orders", "uid": "u1", "resourceVersion": "17",
      "generation": 3, "labels": {"app": "shop"}, "annotations": {"pannier.dev/paused": "true"},
      "finalizers": ["pannier.dev/queue"], "creationTimestamp": "2026-11-22T10:00:00Z",
      "deletionTimestamp": "2026-11-22T10:00:01Z", "managedFields": [{"x": 1}], "newer": {}},
    "spec": {"paused": true}, "status": {"observedGeneration": 2}})");
}

std::string error_of(const Json& json) {
  const auto object = Object::from_json(json);
  return object ? "no error" : object.error().detail;
}

TEST(Object, ReadsWhatEveryKindHas) {
  const auto object = Object::from_json(full());
  ASSERT_TRUE(object) << object.error().detail;
  EXPECT_EQ(object->api_version(), "pannier.dev/v1alpha1");
  EXPECT_EQ(object->key(), (Key{"MessageQueue", "shop", "orders"}));
  EXPECT_EQ(to_text(object->key()), "MessageQueue shop/orders");
  EXPECT_EQ(to_text(Key{"AgentClass", "", "default"}), "AgentClass default");
  const Metadata& metadata = object->metadata();
  EXPECT_EQ(metadata.uid, "u1");
  EXPECT_EQ(metadata.resource_version, "17");
  EXPECT_EQ(metadata.generation, 3u);
  EXPECT_EQ(metadata.labels.at("app"), "shop");
  EXPECT_EQ(metadata.annotation("pannier.dev/paused"), "true");
  EXPECT_EQ(metadata.annotation("pannier.dev/discard"), "");
  EXPECT_THAT(metadata.finalizers, ElementsAre("pannier.dev/queue"));
  EXPECT_TRUE(metadata.has_finalizer("pannier.dev/queue"));
  EXPECT_FALSE(metadata.has_finalizer("pannier.dev"));
  EXPECT_TRUE(metadata.is_ending());
  EXPECT_EQ(timestamp_text(*metadata.created_at), "2026-11-22T10:00:00Z");
  EXPECT_EQ(object->spec()["paused"], true);
  EXPECT_EQ(object->status()["observedGeneration"], 2);
  EXPECT_EQ(object->json(), full());
}

TEST(Object, TakesNullForAbsentAndHasNoSpecOrStatusThen) {
  const auto object = Object::parse(
      R"({"apiVersion": "v1", "kind": "Pod", "spec": null, "metadata": {"name": "a",
          "creationTimestamp": null, "labels": null, "generation": null, "finalizers": null}})");
  ASSERT_TRUE(object) << object.error().detail;
  EXPECT_FALSE(object->metadata().is_ending());
  EXPECT_FALSE(object->metadata().created_at);
  EXPECT_TRUE(object->spec().is_null());
  EXPECT_TRUE(object->status().is_null());
}

TEST(Object, MayHaveOnlyTheBeginningOfANameAtAdmission) {
  EXPECT_TRUE(Object::parse(
      R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "checkout-"}})"));
  EXPECT_EQ(error_of(Json::parse(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {}})")),
            "metadata.name: expected a name, found nothing: correct it");
}

TEST(Object, NamesTheFieldThatHasAWrongType) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {"/apiVersion", "apiVersion: "},
      {"/kind", "kind: "},
      {"/metadata", "metadata: "},
      {"/metadata/name", "metadata.name: "},
      {"/metadata/namespace", "metadata.namespace: "},
      {"/metadata/uid", "metadata.uid: "},
      {"/metadata/resourceVersion", "metadata.resourceVersion: "},
      {"/metadata/generation", "metadata.generation: "},
      {"/metadata/labels", "metadata.labels: "},
      {"/metadata/labels/app", "metadata.labels.app: "},
      {"/metadata/annotations", "metadata.annotations: "},
      {"/metadata/annotations/pannier.dev~1paused", "metadata.annotations.pannier.dev/paused: "},
      {"/metadata/finalizers", "metadata.finalizers: "},
      {"/metadata/finalizers/0", "metadata.finalizers[0]: "},
      {"/metadata/creationTimestamp", "metadata.creationTimestamp: "},
      {"/metadata/deletionTimestamp", "metadata.deletionTimestamp: "},
  };
  for (const auto& [pointer, field] : cases) {
    for (const Json& wrong : {Json(-1.5), Json(true)}) {
      Json json = full();
      json[Json::json_pointer(pointer)] = wrong;
      EXPECT_THAT(error_of(json), StartsWith(std::string(field) + "expected ")) << pointer;
    }
  }
  Json json = full();
  json["metadata"]["generation"] = -1;
  EXPECT_THAT(error_of(json), StartsWith("metadata.generation: "));
  json = full();
  json["metadata"]["creationTimestamp"] = "yesterday";
  EXPECT_THAT(error_of(json), StartsWith("metadata.creationTimestamp: expected a time"));
  for (const char* needed : {"apiVersion", "kind", "metadata"}) {
    json = full();
    json.erase(needed);
    EXPECT_THAT(error_of(json), StartsWith(std::string(needed) + ": expected ")) << needed;
  }
}

TEST(Object, RefusesWhatIsNoJsonAndWhatIsTooDeep) {
  for (const std::string text : {"", "{", "[]", "7", "null", "{\"kind\": \"\xff\"}"}) {
    const auto object = Object::parse(text);
    ASSERT_FALSE(object) << text;
    EXPECT_EQ(object.error().code, Errc::bad_config);
  }
  const auto deep = [](std::size_t levels) {
    return R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": )" +
           std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_TRUE(Object::parse(deep(90)));
  for (const std::size_t levels : {std::size_t{110}, std::size_t{1'000'000}}) {
    const auto object = Object::parse(deep(levels));
    ASSERT_FALSE(object);
    EXPECT_THAT(object.error().detail, HasSubstr("levels of nesting"));
  }
}

}  // namespace
}  // namespace pannier::kube
