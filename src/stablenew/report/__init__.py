"""What a person is shown of a run: contact sheets and the one-file HTML report."""
