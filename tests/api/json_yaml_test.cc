#include "operator/api/json_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pannier::api {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Result<json> json_in(std::string_view yaml) {
  const auto node = parse_yaml_document(yaml, "a.yaml");
  if (!node) return node.error();
  return json_of(*node);
}

TEST(JsonYaml, MakesOfYamlWhatKubectlMakesOfIt) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {"a: 1", R"({"a": 1})"},
      {"a: -1", R"({"a": -1})"},
      {"a: +1", R"({"a": 1})"},
      {"a: 0x1F", R"({"a": 31})"},
      {"a: 0o17", R"({"a": 15})"},
      {"a: 017", R"({"a": 15})"},
      {"a: 0b11", R"({"a": 3})"},
      {"a: 0", R"({"a": 0})"},
      {"a: 18446744073709551615", R"({"a": 18446744073709551615})"},
      {"a: -9223372036854775808", R"({"a": -9223372036854775808})"},
      {"a: 1.5", R"({"a": 1.5})"},
      {"a: 1e3", R"({"a": 1000.0})"},
      {"a: yes", R"({"a": true})"},
      {"a: Off", R"({"a": false})"},
      {"a: \"yes\"", R"({"a": "yes"})"},
      {"a: '1'", R"({"a": "1"})"},
      {"a: ~", R"({"a": null})"},
      {"a:", R"({"a": null})"},
      {"a: text", R"({"a": "text"})"},
      {"[1, {b: [c]}, []]", R"([1, {"b": ["c"]}, []])"},
      {"a: {}", R"({"a": {}})"},
  };
  for (const auto& [yaml, wanted] : cases) {
    const auto made = json_in(yaml);
    ASSERT_TRUE(made) << yaml << ": " << made.error().detail;
    EXPECT_EQ(*made, json::parse(wanted)) << yaml;
  }
}

TEST(JsonYaml, RefusesNumbersThatJsonHasNotWithTheirPlace) {
  for (const char* yaml : {"a:\n  - .nan", "a:\n  - .inf", "a:\n  - -.Inf", "a:\n  - 1e999"}) {
    const auto made = json_in(yaml);
    ASSERT_FALSE(made) << yaml;
    EXPECT_THAT(made.error().detail, HasSubstr("2:5: expected a number that JSON can hold"));
  }
}

TEST(JsonYaml, KeepsJsonThroughANodeButForNullMembers) {
  const json value = json::parse(
      R"({"a": [1, -2, 1.5, true, false, "1", "yes", "", null], "b": {"c": {}, "d": []}})");
  json with_null = value;
  with_null["e"] = nullptr;
  const YamlNode node = yaml_node_of(with_null);
  EXPECT_EQ(node.mark.line, 0);
  const auto again = json_of(node);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(*again, value);
}

}  // namespace
}  // namespace pannier::api
