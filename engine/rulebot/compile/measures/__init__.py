"""The measures of the vocabulary, each part in its own file; `compile.vocabulary` is all of them."""
