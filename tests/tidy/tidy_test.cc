// Runs the layout check over this repository, and over planted trees to see that it can fail.
#include "tests/tidy/tidy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

namespace pannier::tidy {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// A folder of its own, gone at the end, with files as the test plants them.
class Tree {
 public:
  Tree() {
    std::string name = (fs::temp_directory_path() / "pannier-tidy-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
    plant("CMakeLists.txt",
          "pannier_allow(common IN common/)\n"
          "pannier_allow(spool IN sidecar/spool/ USES common)\n"
          "pannier_allow(queue IN sidecar/queue/ USES common spool)\n");
    plant("common/CMakeLists.txt", "pannier_room(common SOURCES good.cc)\n");
    plant("common/good.h", std::string(kHead) + "int good();\n");
    plant("common/good.cc", "#include \"common/good.h\"\n\nint good() { return 1'000; }\n");
  }
  ~Tree() { fs::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  static constexpr std::string_view kHead = "// Good: a number.\n// Any thread.\n#pragma once\n";

  void plant(const fs::path& path, std::string_view text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  // What is wrong, as (rule, path).
  std::vector<std::pair<std::string, std::string>> problems(
      std::string_view exceptions = "") const {
    std::vector<std::pair<std::string, std::string>> found;
    for (const Problem& problem : problems_of(root_, exceptions))
      found.emplace_back(problem.rule, problem.path);
    return found;
  }

 private:
  fs::path root_;
};

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string lines(std::size_t count) { return repeated("\n", count); }

TEST(Tidy, ThisRepositoryKeepsItsRules) {
  const fs::path root = PANNIER_SOURCE_FOLDER;
  std::ifstream in(root / "tests/tidy/exceptions.txt");
  const std::string exceptions{std::istreambuf_iterator<char>(in), {}};
  for (const auto& [rule, path, line, text] : problems_of(root, exceptions))
    ADD_FAILURE() << path << ':' << line << ": " << rule << ": " << text;
}

TEST(Tidy, AcceptsAGoodTree) { EXPECT_THAT(Tree().problems(), IsEmpty()); }

TEST(Tidy, FindsALongLineAndCountsColumnsNotBytes) {
  const Tree tree;
  tree.plant("common/good.h", std::string(Tree::kHead) + "// " + repeated("ü", 97) + "\n");
  EXPECT_THAT(tree.problems(), IsEmpty());
  tree.plant("common/good.h", std::string(Tree::kHead) + "// " + repeated("ü", 98) + "\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("line-length", "common/good.h")));
}

TEST(Tidy, FindsALongFileAndAllowsTestsMore) {
  const Tree tree;
  tree.plant("common/good.cc", lines(401));
  tree.plant("tests/common/CMakeLists.txt", "good_test.cc");
  tree.plant("tests/common/good_test.cc", lines(600));
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("file-length", "common/good.cc")));
  tree.plant("tests/common/good_test.cc", lines(601));
  EXPECT_THAT(tree.problems(), Contains(Pair("file-length", "tests/common/good_test.cc")));
}

TEST(Tidy, FindsALongFunction) {
  const Tree tree;
  tree.plant("common/good.cc", "struct A {\n  void f() {" + lines(69) + "}\n};\n");
  EXPECT_THAT(tree.problems(), IsEmpty());
  tree.plant("common/good.cc", "struct A {\n  void f() {" + lines(70) + "}\n};\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("function-length", "common/good.cc")));
  tree.plant("common/good.cc", "A::A(int b)\n : a_{1},\n b_(b) {" + lines(70) + "}\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("function-length", "common/good.cc")));
}

TEST(Tidy, IsNotMisledByBracesInLiteralsAndComments) {
  const auto functions =
      functions_of(code_of("#define OPEN {\n"
                           "namespace a {  // {\n"
                           "const char* k = R\"x({\")x\"; /* { */\n"
                           "int table[] = {\n1,\n2};\n"
                           "enum class E { one };\n"
                           "int f(int x = {}) {\n"
                           "  return '{' + 1'0 + \"\\\"{\"[0];\n"
                           "}\n"
                           "}\n"
                           "int g() { return 0; }\n"));
  EXPECT_THAT(functions, ElementsAre(Pair(8, 10), Pair(12, 12)));
}

TEST(Tidy, FindsAHeaderWithoutHeadCommentOrPragma) {
  const Tree tree;
  tree.plant("common/good.h", "// One line is not enough.\n#pragma once\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("head-comment", "common/good.h")));
  tree.plant("common/good.h", "// Two lines,\n// but nothing else.\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("pragma-once", "common/good.h")));
}

TEST(Tidy, FindsAnIncludeAgainstTheRoomOrder) {
  const Tree tree;
  tree.plant("sidecar/spool/a.h", std::string(Tree::kHead) + "#include \"common/good.h\"\n");
  tree.plant("sidecar/queue/a.h", std::string(Tree::kHead) + "#include \"sidecar/spool/a.h\"\n");
  EXPECT_THAT(tree.problems(), IsEmpty());
  tree.plant("sidecar/spool/b.h", std::string(Tree::kHead) + "#include \"sidecar/queue/a.h\"\n");
  tree.plant("sidecar/nowhere/c.h", Tree::kHead);
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("room-order", "sidecar/nowhere/c.h"),
                                           Pair("room-order", "sidecar/spool/b.h")));
}

TEST(Tidy, FindsASourceThatNoListNames) {
  const Tree tree;
  tree.plant("common/ood.cc", "\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("listed", "common/ood.cc")));
}

TEST(Tidy, FindsBannedWordsAndSleeps) {
  const Tree tree;
  tree.plant("common/good.cc",
             "// TO"
             "DO: later\n// TO"
             "DOS is a word\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("banned-word", "common/good.cc")));
  tree.plant("common/good.cc", "void f() { std::this_thread::sleep_until(then); }\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("sleep", "common/good.cc")));
  tree.plant("common/good.cc", "\n");
  tree.plant("tests/CMakeLists.txt", "good_test.cc");
  tree.plant("tests/good_test.cc", "void f() { sleep_for(1s); }  // sleep_for(\n");
  EXPECT_THAT(tree.problems(), ElementsAre(Pair("sleep", "tests/good_test.cc")));
}

TEST(Tidy, AnExceptionNeedsAReasonAndSomethingToExcept) {
  const Tree tree;
  tree.plant("common/ood.cc", "\n");
  EXPECT_THAT(tree.problems("# head\n\nlisted common/ood.cc made by hand\n"), IsEmpty());
  EXPECT_THAT(tree.problems("listed common/ood.cc\n"), Contains(Pair("exceptions", testing::_)));
  EXPECT_THAT(tree.problems("listed common/ood.cc made by hand\nlisted common/good.cc is good\n"),
              ElementsAre(Pair("exceptions", testing::_)));
}

}  // namespace
}  // namespace pannier::tidy
