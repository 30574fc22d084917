#include "common/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "common/utf8.h"

namespace pannier {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string error_in(std::string_view text, const YamlLimits& limits = {}) {
  const auto result = parse_yaml(text, "f.yaml", limits);
  return result ? "no error" : result.error().detail;
}

YamlNode document(std::string_view text) {
  auto result = parse_yaml_document(text, "f.yaml");
  EXPECT_TRUE(result) << result.error().detail;
  return result ? std::move(*result) : YamlNode{};
}

TEST(YamlReader, KnowsThePlaceOfEveryNode) {
  const YamlNode root = document("# comment\na: 1\nb:\n  - x\n  - {c: [y]}\nempty:\nlast: z\n");
  EXPECT_EQ(root.mark.line, 2);
  const YamlNode& list = *root.find("b");
  EXPECT_EQ(list.items[0].mark.line, 4);
  EXPECT_EQ(list.items[0].mark.column, 5);
  EXPECT_EQ(list.items[1].find("c")->items[0].mark.column, 9 + 1);
  EXPECT_EQ(root.find("empty")->mark.line, 6);
  EXPECT_EQ(root.find("empty")->kind, YamlNode::Kind::null);
  EXPECT_EQ(root.keys[3].mark.line, 7);
}

TEST(YamlReader, ReadsSeveralDocumentsAndSkipsEmptyOnes) {
  const auto result = parse_yaml("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n", "f.yaml");
  ASSERT_TRUE(result) << result.error().detail;
  ASSERT_EQ(result->size(), 2u);
  EXPECT_EQ((*result)[1].find("b")->mark.line, 7);
  EXPECT_TRUE(parse_yaml("", "f.yaml")->empty());
}

TEST(YamlReader, WantsExactlyOneDocumentWhereOneIsMeant) {
  EXPECT_EQ(
      parse_yaml_document("a: 1\n---\nb: 2\n", "f.yaml").error().detail,
      "f.yaml:3:1: document: expected one document, found a second one: keep one in this file");
  EXPECT_EQ(parse_yaml_document("# nothing\n", "f.yaml").error().detail,
            "f.yaml:1:1: document: expected a document, found nothing: write one");
}

TEST(YamlReader, RefusesAKeyThatIsThereTwice) {
  EXPECT_EQ(error_in("a:\n  b: 1\n  c: 2\n  b: 3\n"),
            "f.yaml:4:3: a.b: expected each key once, found it again (first in line 2): remove one "
            "of the two");
  EXPECT_THAT(error_in("[{x: 1, \"x\": 2}]"),
              StartsWith("f.yaml:1:9: [0].x: expected each key once"));
}

TEST(YamlReader, RefusesBadSyntaxWithItsPlace) {
  EXPECT_THAT(error_in("a: [1, 2\n"),
              StartsWith("f.yaml:2:1: document: expected valid YAML, found: "));
  EXPECT_THAT(error_in("a: 1\n\tb: 2\n"), HasSubstr("expected valid YAML"));
  for (const std::string_view cut_short :
       {"a: \"x\n", "a: \"x", "a: 'x\n", "a: 'x", "a: {b: 1", "a: \"x\n\n  "})
    EXPECT_THAT(error_in(cut_short), HasSubstr("expected valid YAML")) << cut_short;
  EXPECT_THAT(error_in("a: *nowhere\n"), HasSubstr("expected valid YAML"));
  EXPECT_THAT(error_in("a: \"\\ud800\"\n"), HasSubstr("expected valid YAML"));
}

TEST(YamlReader, RefusesKeysThatAreNotTextAndTags) {
  EXPECT_EQ(error_in("? [a, b]\n: 1\n"),
            "f.yaml:1:3: document: expected a key that is text, found a list or a map: write a "
            "plain key");
  EXPECT_THAT(error_in("~: 1\n"), HasSubstr("expected a key that is text, found nothing"));
  EXPECT_THAT(error_in("a: &x {b: 1}\nc:\n  <<: *x\n"),
              HasSubstr("found a merge key <<: write the keys out"));
  EXPECT_EQ(error_in("a: !!binary aGk=\n"),
            "f.yaml:1:4: a: expected a value without a tag, found the tag "
            "\"tag:yaml.org,2002:binary\": remove the tag");
  EXPECT_EQ(document("a: !!str 12\n").find("a")->quoted, true);
}

TEST(YamlReader, CopiesWhatAnAliasStandsFor) {
  const YamlNode root = document("a: &x [1, 2]\nb: *x\n");
  EXPECT_EQ(root.find("b")->items[1].text, "2");
  EXPECT_THAT(error_in("a: &x [1, *x]\n"),
              StartsWith("f.yaml:1:11: a[1]: expected an alias of something complete"));
}

TEST(YamlReader, RefusesAliasesThatMultiply) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) bomb += last + ",";
    bomb += "]\n";
  }
  EXPECT_THAT(error_in(bomb),
              HasSubstr("expected at most 200000 values, found more (aliases count"));
  std::string bytes = "a: &a " + std::string(1u << 20, 'x') + "\nb: [";
  for (int i = 0; i < 1'000; ++i) bytes += "*a, ";
  EXPECT_THAT(error_in(bytes + "]\n"), HasSubstr("bytes of text, found more (aliases count"));
  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i)
    deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
            "]\n";
  EXPECT_THAT(error_in(deep), HasSubstr("levels of nesting"));
}

TEST(YamlReader, RefusesDeepNestingInEveryForm) {
  for (const std::string part : {"[", "{a: ", "- ", "? ", "[[", "{", "a: &b ["}) {
    std::string text;
    for (int i = 0; i < 50'000; ++i) text += part;
    EXPECT_FALSE(parse_yaml(text, "f.yaml")) << part;
  }
  EXPECT_EQ(error_in(std::string(33, '[') + std::string(33, ']')).substr(0, 14), "f.yaml:1:33: [");
  EXPECT_EQ(error_in(std::string(31, '[') + std::string(31, ']')), "no error");
}

TEST(YamlReader, RefusesWhatIsTooLarge) {
  EXPECT_EQ(error_in(std::string(101, 'x'), {.bytes_max = 100}),
            "f.yaml:1:1: document: expected at most 100 bytes, found 101: make it smaller");
  EXPECT_THAT(error_in("[1,2,3]", {.nodes_max = 3}),
              StartsWith("f.yaml:1:6: [2]: expected at most 3 values"));
  EXPECT_THAT(error_in("--- a\n--- b\n--- c\n", {.documents_max = 2}),
              StartsWith("f.yaml:3:1: document: expected at most 2 documents"));
}

TEST(YamlReader, RefusesBinaryJunkWithoutThrowing) {
  EXPECT_EQ(error_in("a: 1\nb: x\x04y\n"),
            "f.yaml:2:5: document: expected text in UTF-8, found the byte \"\\x04\": is this the "
            "right file?");
  EXPECT_THAT(error_in("a: \xff\n"), StartsWith("f.yaml:1:4: document: expected text in UTF-8"));
  EXPECT_THAT(error_in(std::string("\x7f"
                                   "ELF\0\0",
                                   6)),
              StartsWith("f.yaml:1:1: document: expected text"));
  std::mt19937 random(3);
  const std::string_view letters = "abc:-?[]{},&*!|>'\"%@`# \n\n\t\\.0~<=";
  for (int i = 0; i < 2'000; ++i) {
    std::string text;
    const std::size_t size = random() % 40;
    for (std::size_t j = 0; j < size; ++j) text += letters[random() % letters.size()];
    (void)parse_yaml(text, "f.yaml", {.documents_max = 20});
  }
}

TEST(YamlReader, ReadsHostileInputInReasonableTime) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string part :
       {"a: ", "'", "a\n", "[a, ", "\"\\x41", "- - ", "&a ", "#\n", "x,", "---\n", "{a: 1}\n"}) {
    std::string text;
    while (text.size() < 200'000) text += part;
    (void)parse_yaml(text, "f.yaml");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{60});
}

TEST(Utf8, FindsTheFirstByteThatDoesNotBelong) {
  EXPECT_TRUE(is_utf8("aé日😀"));
  EXPECT_EQ(utf8_fault_at("a\xc0\x80"), 1u);         // overlong
  EXPECT_EQ(utf8_fault_at("ab\xed\xa0\x80"), 2u);    // surrogate
  EXPECT_EQ(utf8_fault_at("\xf4\x90\x80\x80"), 0u);  // beyond U+10FFFF
  EXPECT_EQ(utf8_fault_at("é\xe2\x82"), 2u);         // cut short
}

}  // namespace
}  // namespace pannier
