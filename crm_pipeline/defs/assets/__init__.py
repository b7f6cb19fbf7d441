"""One thin file of assets per layer. What they compute lies in the rooms below."""
