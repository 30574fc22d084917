// The CRDs say what the readers do: compared with the descriptions of fields, both ways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "operator/api/json_yaml.h"
#include "operator/api/resource_fields.h"
#include "tests/api/manifest_files.h"
#include "tests/api/schema_collector.h"

namespace pannier::api {

std::string pattern_of(const TextRule& rule) {
  const std::string label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
  const std::string subdomain = label + R"((\.)" + label + ")*";
  const auto whole = [&](const std::string& pattern) {
    return rule.required ? "^" + pattern + "$" : "^(" + pattern + ")?$";
  };
  if (rule.fits == is_amqp_name) return R"(^[^\x00-\x1f\x7f]*$)";
  if (rule.fits == is_dns_label) return whole(label);
  if (rule.fits == is_dns_subdomain) return whole(subdomain);
  if (rule.fits == is_image_name) return "^[A-Za-z0-9._/:@+-]*$";
  if (rule.fits == is_label_value) return "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$";
  if (rule.fits == is_label_key)
    return "^(" + subdomain + "/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";
  return rule.fits == nullptr ? "" : "no pattern is known for this rule";
}

namespace {

using nlohmann::json;
using testing::Contains;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

json load_crd(const std::filesystem::path& file) {
  const auto document = parse_yaml_document(file_text(file), file.filename().string());
  EXPECT_TRUE(document) << document.error().detail;
  auto crd = json_of(*document);
  EXPECT_TRUE(crd) << crd.error().detail;
  return *crd;
}

json root_schema(const json& crd) {
  return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
}

json crd_of(std::string_view plural) {
  for (const auto& file : crd_files("."))
    if (json crd = load_crd(file); crd["metadata"]["name"] == std::string(plural) + ".pannier.dev")
      return crd;
  ADD_FAILURE() << "no CRD for " << plural;
  return {};
}

// Takes the prose and the rules out of a schema; the rules' messages go to `messages`.
json bare(json schema, std::vector<std::string>& messages) {
  schema.erase("description");
  if (schema.contains("x-kubernetes-validations"))
    for (const json& rule : schema["x-kubernetes-validations"]) messages.push_back(rule["message"]);
  schema.erase("x-kubernetes-validations");
  for (const char* map : {"properties"})
    if (schema.contains(map))
      for (auto& [name, field] : schema[map].items()) field = bare(field, messages);
  for (const char* inner : {"items", "additionalProperties"})
    if (schema.contains(inner)) schema[inner] = bare(schema[inner], messages);
  return schema;
}

// Where two schemas differ, one line each.
void compare(const json& written, const json& described, const std::string& path,
             std::vector<std::string>& differences) {
  if (!written.is_object() || !described.is_object()) {
    if (written != described)
      differences.push_back(path + ": the CRD says " + written.dump() + ", the code " +
                            described.dump());
    return;
  }
  for (const auto& [key, value] : written.items())
    if (!described.contains(key))
      differences.push_back(path + "." + key + ": in the CRD only");
    else
      compare(value, described[key], path + "." + key, differences);
  for (const auto& [key, value] : described.items())
    if (!written.contains(key)) differences.push_back(path + "." + key + ": in the code only");
}

template <typename Spec, typename Fields>
void expect_same(std::string_view plural, Fields fields, std::vector<std::string> crd_only) {
  const json root = root_schema(crd_of(plural));
  std::vector<std::string> messages, rules, differences;
  for (const json& rule : root.value("x-kubernetes-validations", json::array()))
    messages.push_back(rule["message"]);  // of rules that need the object's name
  const json written = bare(root["properties"]["spec"], messages);
  json described{{"default", json::object()}};
  Spec spec;
  SchemaCollector io(described, rules);
  fields(io, spec);
  compare(written, described, "spec", differences);
  EXPECT_THAT(differences, IsEmpty());
  rules.insert(rules.end(), crd_only.begin(), crd_only.end());
  EXPECT_THAT(messages, UnorderedElementsAreArray(rules));
}

TEST(Crd, OfMessageQueueSaysWhatItsReaderDoes) {
  std::vector<std::string> crd_only(4, "expected at most 255 bytes, found more: make it shorter");
  crd_only.emplace_back(
      "a queue keeps its name: queueName may not be changed, added or removed; make another "
      "MessageQueue for another name");
  expect_same<MessageQueueSpec>(
      "messagequeues", [](auto& io, auto& spec) { message_queue_fields(io, spec, "orders"); },
      std::move(crd_only));
}

TEST(Crd, OfAgentClassSaysWhatItsReaderDoes) {
  expect_same<AgentClassSpec>("agentclasses",
                              [](auto& io, auto& spec) { agent_class_fields(io, spec); }, {});
}

TEST(Crd, OfMessageQueueUserSaysWhatItsReaderDoes) {
  expect_same<MessageQueueUserSpec>(
      "messagequeueusers", [](auto& io, auto& spec) { message_queue_user_fields(io, spec); },
      {"expected a name of at most 240 bytes, or a secretName, found neither: set "
       "spec.secretName"});
}

// The API server checks a default as it stands, without the defaults within: a rule that reads what
// is not there would have the CRD refused.
void check_rules_of_default(const json& schema, const std::string& path,
                            std::vector<std::string>& faults) {
  if (schema.value("default", json()) != json::object()) return;
  static const std::regex kField(R"(\bself\.(\w+))");
  for (const json& each : schema.value("x-kubernetes-validations", json::array())) {
    const auto rule = each["rule"].get<std::string>();
    for (std::sregex_iterator at(rule.begin(), rule.end(), kField), end; at != end; ++at)
      if (rule.find("has(self." + at->str(1) + ")") == rule.npos)
        faults.push_back(path + ": a rule reads " + at->str(1) + ", which its default has not");
  }
}

// What the API server demands of a structural schema, and what keeps the cost of rules low.
void check_structure(const json& schema, const std::string& path,
                     std::vector<std::string>& faults) {
  const auto demand = [&](bool fits, std::string_view what) {
    if (!fits) faults.push_back(path + ": " + std::string(what));
  };
  const bool is_int_or_string = schema.value("x-kubernetes-int-or-string", false);
  demand(schema.contains("type") != is_int_or_string, "needs a type, or to be int-or-string");
  const std::string type = schema.value("type", "string");
  if (type == "string" && !schema.contains("enum"))
    demand(schema.contains("maxLength"), "needs maxLength or enum");
  if (type == "array") {
    demand(schema.contains("maxItems") && schema.contains("items"), "needs maxItems and items");
    check_structure(schema.value("items", json::object()), path + "[]", faults);
  }
  if (type == "integer") demand(schema.contains("minimum"), "needs a minimum");
  if (schema.contains("additionalProperties")) {
    demand(schema.contains("maxProperties"), "needs maxProperties");
    check_structure(schema["additionalProperties"], path + ".*", faults);
  }
  if (schema.contains("default") && schema["default"] == json::object())
    demand(!schema.contains("required"), "has an empty default, which lacks what is required");
  for (const json& rule : schema.value("x-kubernetes-validations", json::array()))
    demand(rule.contains("rule") && !rule.value("message", "").empty(),
           "needs rules with messages");
  check_rules_of_default(schema, path, faults);
  const json properties = schema.value("properties", json::object());
  for (const json& name : schema.value("required", json::array()))
    demand(properties.contains(name), "requires what it does not have: " + name.dump());
  for (const auto& [name, field] : properties.items()) {
    const std::string inner = path + "." + name;
    if (field.value("description", "").empty()) faults.push_back(inner + ": needs a description");
    check_structure(field, inner, faults);
  }
}

TEST(Crd, IsStructuralAndHasLimitsAndWordsEverywhere) {
  ASSERT_EQ(crd_files(".").size(), 3u);
  for (const auto& file : crd_files(".")) {
    std::vector<std::string> faults;
    check_structure(root_schema(load_crd(file)), file.filename().string(), faults);
    EXPECT_THAT(faults, IsEmpty());
  }
}

TEST(Crd, HasTheGroupTheNamesAndAStatusOfItsOwn) {
  for (const auto& file : crd_files(".")) {
    const json crd = load_crd(file);
    const json& spec = crd["spec"];
    EXPECT_EQ(crd["apiVersion"], "apiextensions.k8s.io/v1");
    EXPECT_EQ(crd["kind"], "CustomResourceDefinition");
    EXPECT_EQ(spec["group"], "pannier.dev");
    EXPECT_EQ(crd["metadata"]["name"], std::string(spec["names"]["plural"]) + ".pannier.dev");
    EXPECT_THAT(spec["names"]["categories"], Contains("pannier"));
    ASSERT_EQ(spec["versions"].size(), 1u);
    const json& version = spec["versions"][0];
    EXPECT_EQ(version["name"], "v1alpha1");
    EXPECT_TRUE(version["served"].get<bool>() && version["storage"].get<bool>());
    EXPECT_EQ(version["subresources"], (json{{"status", json::object()}}));
    const json conditions = root_schema(crd)["properties"]["status"]["properties"]["conditions"];
    EXPECT_EQ(conditions["x-kubernetes-list-type"], "map");
    EXPECT_EQ(conditions["x-kubernetes-list-map-keys"], json::array({"type"}));
    EXPECT_TRUE(conditions["items"]["properties"].contains("observedGeneration"));
  }
  EXPECT_EQ(crd_of("agentclasses")["spec"]["scope"], "Cluster");
  EXPECT_EQ(crd_of("messagequeues")["spec"]["scope"], "Namespaced");
  EXPECT_EQ(crd_of("messagequeueusers")["spec"]["scope"], "Namespaced");
}

// The path of a rule's complaint has to lead to a field: the API server refuses the CRD otherwise.
void check_places(const json& schema, const std::string& path, std::vector<std::string>& faults) {
  for (const json& rule : schema.value("x-kubernetes-validations", json::array())) {
    const json* at = &schema;
    std::stringstream place(rule.value("fieldPath", std::string()));
    for (std::string name; std::getline(place, name, '.');) {
      if (name.empty()) continue;
      if (!at->contains("properties") || !(*at)["properties"].contains(name)) {
        faults.push_back(path + ": " + rule["fieldPath"].get<std::string>() + " leads nowhere");
        break;
      }
      at = &(*at)["properties"][name];
    }
  }
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, field] : properties.items())
    check_places(field, path + "." + name, faults);
  if (schema.contains("items")) check_places(schema["items"], path + "[]", faults);
}

TEST(Crd, SaysOfFieldsThatThereAreWhatItRefuses) {
  for (const auto& file : crd_files(".")) {
    std::vector<std::string> faults;
    check_places(root_schema(load_crd(file)), file.filename().string(), faults);
    EXPECT_THAT(faults, IsEmpty());
  }
}

TEST(Crd, HasPatternsThatTakeWhatTheReadersTake) {
  const std::vector<std::string> texts{
      "a",         "a-b",      "a.b",    "a..b",  "a.-b", "-a",    "a-", "A",   "a_b",
      "a/b",       "a.b/c",    "a..b/c", "/a",    "a/",   "a/b/c", "7",  "7.a", "a b",
      "a:5/b@c+d", "\xc3\xa9", "a\nb",   "a\x7f", "*",    "#",     "."};
  for (const TextRule& rule : {kAmqpNameRule, kDnsLabelRule, kSubdomainRule, kImageRule,
                               kLabelKeyRule, kLabelValueRule, pannier::optional(kSubdomainRule)}) {
    const std::regex pattern{pattern_of(rule)};
    for (const std::string& text : texts)
      EXPECT_EQ(std::regex_match(text, pattern), rule.fits(text)) << rule.expected << ": " << text;
    EXPECT_EQ(std::regex_match("", pattern), !rule.required || rule.fits == is_amqp_name);
  }
}

TEST(Crd, HasPatternsThatTakeTheirOwnDefaultsAndWhatOurReadersTake) {
  const std::regex quantity{std::string(kQuantityPattern)}, duration{std::string(kDurationPattern)};
  for (const char* text : {"1Gi", "0", "128974848", "100k", "1.5Gi", "1e3", "2E", "1E+3"}) {
    EXPECT_TRUE(std::regex_match(text, quantity)) << text;
    EXPECT_TRUE(parse_quantity(text)) << text;
  }
  for (const char* text : {"-1", "1gb", "", "Gi", "1 Gi", "1K"}) {
    EXPECT_FALSE(std::regex_match(text, quantity)) << text;
    EXPECT_FALSE(parse_quantity(text)) << text;
  }
  for (const char* text : {"250ms", "60s", "1h30m", "1.5h", "0s", "1000us"}) {
    EXPECT_TRUE(std::regex_match(text, duration)) << text;
    EXPECT_TRUE(parse_duration(text)) << text;
  }
  for (const char* text : {"-1s", "60", "1d", "", "s", "1 s"}) {
    EXPECT_FALSE(std::regex_match(text, duration)) << text;
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

}  // namespace
}  // namespace pannier::api
