"""The kinds of training: each says what is trained, from which data, with which loss."""
