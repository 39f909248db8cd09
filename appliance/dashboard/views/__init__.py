"""What each screen says, as rows of styled words: pure, testable without a terminal."""
