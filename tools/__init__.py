"""What helps to build and check the repository; no part of the distribution."""
