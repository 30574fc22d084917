#include "common/yaml_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/utf8.h"
#include "common/yaml_writer.h"

namespace pannier {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

YamlNode document(std::string_view text) {
  auto result = parse_yaml_document(text, "f.yaml");
  EXPECT_TRUE(result) << result.error().detail;
  return result ? std::move(*result) : YamlNode{};
}

enum class Colour : std::uint8_t { red, green };
constexpr Named<Colour> kColours[] = {{"Red", Colour::red}, {"Green", Colour::green}};

struct Part {
  std::string name;
  bool operator==(const Part&) const = default;
};
struct Sample {
  int schema_version = 1;
  std::string name = "unnamed";
  bool on = false;
  int count = 7;
  std::uint64_t size = 1;
  std::chrono::milliseconds wait{0};
  Colour colour = Colour::red;
  std::vector<std::string> tags;
  std::vector<Part> parts;
  std::string inner_must;
};

template <typename Io>
void sample_fields(Io& io, auto& sample) {
  io.integer("schemaVersion", sample.schema_version, {1, 1});
  io.text("name", sample.name, {"a short name", 8});
  io.boolean("on", sample.on);
  io.integer("count", sample.count, {-5, 10});
  io.bytes("size", sample.size, {1, 1u << 20});
  io.duration("wait", sample.wait, {std::chrono::seconds{0}, std::chrono::minutes{1}});
  io.choice("colour", sample.colour, kColours);
  io.text_list("tags", sample.tags, 3);
  io.list("parts", sample.parts, 3,
          [](auto& in, auto& part) { in.text("name", part.name, {.required = true}); });
  io.section("inner", [&](auto& in) {
    in.text("must", sample.inner_must, {.expected = "something", .required = true});
  });
}

Result<Sample> read_sample(std::string_view text, UnknownKeys unknown = UnknownKeys::refuse) {
  return read_document<Sample>(text, "f.yaml", {}, unknown, 1,
                               [](YamlMap& io, Sample& sample) { sample_fields(io, sample); });
}
// Of a sample in which only `line`, its second line, may be wrong.
std::string sample_error(std::string_view line) {
  const auto result = read_sample("inner: {must: x}\n" + std::string(line) + "\n");
  return result ? "no error" : result.error().detail;
}

TEST(YamlMap, ReadsEveryKindOfField) {
  const auto result = read_sample(
      "name: 'a b'\non: true\ncount: -5\nsize: 1Ki\nwait: 1.5s\ncolour: Green\ntags: [a, \"1\"]\n"
      "parts:\n- name: p\ninner:\n  must: x\n");
  ASSERT_TRUE(result) << result.error().detail;
  EXPECT_EQ(result->name, "a b");
  EXPECT_TRUE(result->on);
  EXPECT_EQ(result->count, -5);
  EXPECT_EQ(result->size, 1'024u);
  EXPECT_EQ(result->wait.count(), 1'500);
  EXPECT_EQ(result->colour, Colour::green);
  EXPECT_EQ(result->tags, (std::vector<std::string>{"a", "1"}));
  EXPECT_EQ(result->parts, (std::vector<Part>{{"p"}}));
}

TEST(YamlMap, LeavesDefaultsWhereKeysAreAbsent) {
  const auto result = read_sample("inner: {must: x}");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->name, "unnamed");
  EXPECT_EQ(result->count, 7);
}

TEST(YamlMap, ReadsMapsOfTextAndNamesTheKeyThatIsWrong) {
  const auto labels_of = [](std::string_view text) {
    const YamlNode node = document(text);
    YamlProblems problems{"f.yaml"};
    YamlMap io(node, "", UnknownKeys::refuse, problems);
    std::map<std::string, std::string> labels{{"old", "x"}};
    io.text_map("labels", labels, 2, {"a short key", 4}, {"a short value", 4});
    io.finish();
    if (!problems.result()) return problems.result().error().detail;
    std::string written;
    YamlMapWriter writer(written);
    writer.text_map("labels", labels, 2, {}, {});
    return written;
  };
  EXPECT_EQ(labels_of("labels: {b: '1', a: x}"), "labels:\n  a: x\n  b: \"1\"\n");
  EXPECT_EQ(labels_of("labels: {}"), "labels: {}\n");
  EXPECT_EQ(labels_of("{}"), "labels:\n  old: x\n");
  EXPECT_EQ(labels_of("labels: {a: 1}"),
            "f.yaml:1:13: labels.a: expected a short value, found the number 1: put it in quotes");
  EXPECT_EQ(labels_of("labels: {abcde: x}"),
            "f.yaml:1:10: labels.abcde: expected a short key as the key, found \"abcde\": correct "
            "it");
  EXPECT_THAT(labels_of("labels: {a: x, b: x, c: x}"), HasSubstr("expected at most 2 keys"));
  EXPECT_THAT(labels_of("labels: [a]"), HasSubstr("labels: expected a map, found a list"));
}

TEST(YamlMap, RefusesAKeyThatIsKnownOnceAndDoesNotProposeIt) {
  const YamlNode node = document("volumes: []\nvolume: x\n");
  YamlProblems problems{"f.yaml"};
  YamlMap io(node, "", UnknownKeys::refuse, problems);
  io.refuse("volumes", "expected none, found volumes: remove them");
  io.refuse("absent", "expected none");
  io.finish();
  EXPECT_EQ(problems.result().error().detail,
            "f.yaml:1:1: volumes: expected none, found volumes: remove them\n"
            "f.yaml:2:1: volume: expected a known key, found \"volume\": remove it");
}

TEST(YamlMap, HasNoPlaceForWhatIsFromNoText) {
  YamlProblems problems{"Pod shop/a"};
  problems.add({0, 0}, "spec.x", "expected y");
  EXPECT_EQ(problems.result().error().detail, "Pod shop/a: spec.x: expected y");
}

TEST(YamlMap, RefusesAnUnknownKeyAndNamesTheNearestOne) {
  EXPECT_EQ(sample_error("cuont: 1"),
            "f.yaml:2:1: cuont: expected a known key, found \"cuont\": did you mean count?");
  EXPECT_EQ(sample_error("Name: x"),
            "f.yaml:2:1: Name: expected a known key, found \"Name\": did you mean name?");
  EXPECT_EQ(sample_error("parts: [{name: x, naem: y}]"),
            "f.yaml:2:19: parts[0].naem: expected a known key, found \"naem\": did you mean name?");
  EXPECT_EQ(sample_error("parts: [{name: x, zzzzzz: y}]"),
            "f.yaml:2:19: parts[0].zzzzzz: expected a known key, found \"zzzzzz\": remove it; the "
            "keys here are name");
}

TEST(YamlMap, IgnoresUnknownKeysOfOtherReleasesButNotWrongTypes) {
  const std::string_view text = "inner: {must: x, newer: [1]}\nnewer: {a: b}\ncount: many\n";
  EXPECT_EQ(read_sample(text, UnknownKeys::ignore).error().detail,
            "f.yaml:3:8: count: expected a whole number from -5 to 10, found the text \"many\": "
            "write it in "
            "decimal digits, without quotes");
  EXPECT_TRUE(read_sample("inner: {must: x, newer: [1]}\nnewer: {a: b}\n", UnknownKeys::ignore));
}

TEST(YamlMap, RefusesWrongTypesAndSaysWhatToDo) {
  EXPECT_EQ(sample_error("name: 12"),
            "f.yaml:2:7: name: expected a short name, found the number 12: put it in quotes");
  EXPECT_EQ(sample_error("name: no"),
            "f.yaml:2:7: name: expected a short name, found the boolean no: put it in quotes");
  EXPECT_EQ(sample_error("name: [a]"),
            "f.yaml:2:7: name: expected a short name, found a list: write text, \"\" for none");
  EXPECT_EQ(sample_error("name:"),
            "f.yaml:2:1: name: expected a short name, found nothing: write text, \"\" for none");
  EXPECT_EQ(sample_error("name: ninebytes"),
            "f.yaml:2:7: name: expected at most 8 bytes, found 9: make it shorter");
  EXPECT_EQ(sample_error("on: yes"),
            "f.yaml:2:5: on: expected true or false, found the boolean yes: write true or false, "
            "without quotes");
  EXPECT_EQ(sample_error("on: 'true'"),
            "f.yaml:2:5: on: expected true or false, found the text \"true\": write true or false, "
            "without quotes");
  EXPECT_EQ(sample_error("count: 11"),
            "f.yaml:2:8: count: expected a whole number from -5 to 10, found the number 11: choose "
            "one in that range");
  EXPECT_THAT(sample_error("count: 99999999999999999999"), EndsWith("choose one in that range"));
  EXPECT_THAT(sample_error("count: 010"), EndsWith("write it in decimal digits, without quotes"));
  EXPECT_THAT(sample_error("count: 1.0"), EndsWith("write it in decimal digits, without quotes"));
  EXPECT_THAT(sample_error("count: '1'"), EndsWith("write it in decimal digits, without quotes"));
  EXPECT_EQ(sample_error("size: 2Mi"),
            "f.yaml:2:7: size: expected a number of bytes from 1 to 1Mi, found 2Mi: choose one in "
            "that range");
  EXPECT_THAT(sample_error("size: 1GB"),
              StartsWith("f.yaml:2:7: size: expected a number of bytes such as"));
  EXPECT_EQ(
      sample_error("wait: 2m"),
      "f.yaml:2:7: wait: expected a duration from 0s to 1m, found 2m: choose one in that range");
  EXPECT_THAT(sample_error("wait: 60"),
              StartsWith("f.yaml:2:7: wait: expected a duration such as"));
  EXPECT_EQ(sample_error("colour: green"),
            "f.yaml:2:9: colour: expected one of Red, Green, found the text \"green\": did you "
            "mean Green?");
  EXPECT_EQ(
      sample_error("tags: a"),
      "f.yaml:2:7: tags: expected a list, found the text \"a\": write a list, [] for an empty one");
  EXPECT_EQ(sample_error("tags: [a, b, c, d]"),
            "f.yaml:2:7: tags: expected at most 3 items, found 4: remove some");
  EXPECT_EQ(sample_error("tags: [a, 1]"),
            "f.yaml:2:11: tags[1]: expected text, found the number 1: put it in quotes");
  EXPECT_EQ(sample_error("parts: [x]"),
            "f.yaml:2:9: parts[0]: expected a map, found the text \"x\": write keys and values, {} "
            "for none");
}

TEST(YamlMap, MissesRequiredKeysAlsoWhereTheirSectionIsAbsent) {
  EXPECT_EQ(read_sample("name: x").error().detail,
            "f.yaml:1:1: inner.must: expected something, found no such key: add it");
  EXPECT_EQ(read_sample("\ninner: {}").error().detail,
            "f.yaml:2:8: inner.must: expected something, found no such key: add it");
  EXPECT_EQ(read_sample("inner: {must: ''}").error().detail,
            "f.yaml:1:15: inner.must: expected something, found the text \"\": correct it");
}

TEST(YamlMap, ReportsEveryMistakeOfOneFileInItsOrder) {
  const auto result = read_sample("zzz: 1\ninner: {must: x}\ncount: many\nname: 1\n");
  EXPECT_THAT(
      result.error().detail,
      testing::MatchesRegex("f.yaml:1:1: zzz: .*\nf.yaml:3:8: count: .*\nf.yaml:4:7: name: .*"));
  EXPECT_EQ(result.error().code, Errc::bad_config);
}

TEST(YamlMap, WantsAMapAtTheRoot) {
  EXPECT_THAT(read_sample("- a\n").error().detail,
              StartsWith("f.yaml:1:1: document: expected a map, found a list"));
}

TEST(YamlMap, RefusesADocumentOfANewerReleaseBeforeAnythingElse) {
  const auto result = read_sample("schemaVersion: 2\nname: [from, the, future]\n");
  EXPECT_EQ(result.error().code, Errc::wrong_version);
  EXPECT_EQ(result.error().detail,
            "f.yaml:1:16: schemaVersion: expected 1 or less, found the number 2: it was "
            "written for a newer release; upgrade this program");
}

TEST(YamlMap, NeverRepeatsASecret) {
  YamlProblems problems{"f.yaml"};
  const YamlNode root = document("a: hunter2\nb: 22\n");
  YamlMap map(root, "", UnknownKeys::refuse, problems);
  std::string into;
  const TextRule rule{.fits = [](std::string_view) { return false; }, .secret = true};
  map.text("a", into, rule);
  map.text("b", into, rule);
  EXPECT_THAT(problems.result().error().detail,
              testing::AllOf(testing::Not(HasSubstr("hunter2")), testing::Not(HasSubstr("22:"))));
}

TEST(YamlWriter, WritesTextThatReadsBackAsThatText) {
  std::vector<std::string> texts{"",
                                 " ",
                                 "a",
                                 "true",
                                 "no",
                                 "y",
                                 "null",
                                 "~",
                                 "1",
                                 "1.5",
                                 "0x1f",
                                 "-",
                                 "- a",
                                 "a: b",
                                 "#",
                                 "a #b",
                                 "'",
                                 "\"",
                                 "'\"",
                                 "\\",
                                 "a\nb\n",
                                 "\t",
                                 std::string(1, '\0'),
                                 "\x1b",
                                 "\x7f",
                                 "é",
                                 "日本",
                                 "\u0085",
                                 "\u2028",
                                 "\ufeff",
                                 "😀",
                                 "{\"keys\":[]}",
                                 "a ",
                                 "/x/y.z",
                                 "<<",
                                 "=",
                                 "---",
                                 "...",
                                 "%a",
                                 "@",
                                 "`"};
  std::mt19937 random(4);
  for (int i = 0; i < 5'000; ++i) {
    std::string text;
    for (std::size_t size = random() % 12; text.size() < size;)
      text += static_cast<char>(random() % 256);
    if (is_utf8(text)) texts.push_back(text);
  }
  for (const std::string& text : texts) {
    const std::string yaml = "- " + yaml_text(text) + "\n- [" + yaml_text(text) + ", x]\n";
    const auto result = parse_yaml_document(yaml, "f.yaml");
    ASSERT_TRUE(result) << result.error().detail << yaml;
    EXPECT_EQ(result->items[0].text, text) << yaml;
    EXPECT_EQ(result->items[1].items[0].text, text) << yaml;
    EXPECT_EQ(scalar_type(result->items[0]), YamlScalar::text) << yaml;
  }
}

}  // namespace
}  // namespace pannier
