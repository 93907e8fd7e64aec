// What is common to the fuzzers: each has `run(bytes, n)`, which returns, or ends the process by `fail` or a sanitizer.
//
// With libFuzzer its main drives it. Without, the one below: inputs of random bytes, the same for the same seed.
//
//   PROGRAM FILE...                      runs these inputs
//   PROGRAM SEED FIRST COUNT [SECONDS]   runs the generated inputs FIRST.. of that seed: COUNT of them, or so long
//   PROGRAM SEED FIRST COUNT break       spoils something, to show that it would be found
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace tapewire::fuzz {

void run(const uint8_t* p, size_t n);

// What the inputs came to; a test sees by it that they are no noise.
inline struct Tally {
    unsigned long long commands = 0, events = 0, trades = 0;
} tally;

inline bool spoil = false;

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "FOUND: %s\n", what);
    std::abort();
}

}  // namespace tapewire::fuzz

#ifdef TAPEWIRE_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* p, size_t n) {
    tapewire::fuzz::run(p, n);
    return 0;
}

#else

#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace tapewire::fuzz {

constexpr size_t LONGEST = 12'000;

inline std::string running;  // how to run again what runs now


inline std::vector<uint8_t> generated(uint64_t seed, uint64_t index) {
    std::mt19937_64 random(seed * 1'000'003 + index);
    std::vector<uint8_t> bytes(1 + random() % LONGEST);
    for (auto& byte : bytes) byte = uint8_t(random());
    return bytes;
}

}  // namespace tapewire::fuzz

// So that whatever is found ends in SIGABRT.
extern "C" const char* __asan_default_options() { return "abort_on_error=1:handle_abort=0"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }

int main(int argc, char** argv) {
    using namespace tapewire::fuzz;
    std::signal(SIGABRT, [](int) { std::fprintf(stderr, "run again: %s\n", running.c_str()), std::_Exit(1); });
    const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
    if (argc < 4 || argv[1][0] < '0' || argv[1][0] > '9') {
        for (int i = 1; i < argc; ++i) {
            running = std::string(argv[0]) + " " + argv[i];
            std::ifstream file(argv[i], std::ios::binary);
            if (!file) return std::printf("no file %s\n", argv[i]), 2;
            const std::vector<uint8_t> bytes(std::istreambuf_iterator<char>(file), {});
            run(bytes.data(), bytes.size());
        }
        return std::printf("%d inputs\n", argc - 1), 0;
    }
    spoil = argc > 4 && std::strcmp(argv[4], "break") == 0;
    const std::time_t until = argc > 4 && !spoil ? std::time(nullptr) + std::time_t(number(4)) : 0;
    uint64_t i = number(2);
    for (const uint64_t end = i + number(3); i < end && (!until || std::time(nullptr) < until); ++i) {
        running = std::string(argv[0]) + " " + argv[1] + " " + std::to_string(i) + " 1";
        const auto input = generated(number(1), i);
        run(input.data(), input.size());
    }
    std::printf("%llu inputs, %llu commands, %llu events, %llu trades\n", static_cast<unsigned long long>(i - number(2)), tally.commands,
                tally.events, tally.trades);
}

#endif
