"""Files and directories of a disk, and the small files that hold one value: identity, vote, watermark."""
