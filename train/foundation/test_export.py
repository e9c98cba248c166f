"""What `export.py` does with the checkpoints that users have, and with those they shouldn't.

The weights are random, the files' layouts the official ones; MobileSAM is whole, the others are small.

    python test_export.py
"""

import io
import tempfile
import unittest
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import onnxruntime
import torch

import checkpoint
import export
import export_files
import grounding_dino
import onnx_file
import ram_export
import sam_original
import small
from failure import ExportError


def run(*arguments):
    """Exit status and what was printed."""
    printed = io.StringIO()
    with (
        mock.patch("sys.argv", ["export.py", *map(str, arguments)]),
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        try:
            export.main()
        except SystemExit as exit:
            return exit.code, printed.getvalue()
    return 0, printed.getvalue()


def inputs(path):
    return [i.name for i in onnxruntime.InferenceSession(str(path)).get_inputs()]


class Exports(unittest.TestCase):
    def setUp(self):
        warnings.simplefilter("ignore")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "models"

    def test_mobile_sam_from_its_checkpoint(self):
        file = self.folder / "mobile_sam.pt"
        torch.save(small.randomise(sam_original.mobile_sam(), 1).state_dict(), file)
        status, printed = run("mobile-sam", "--checkpoint", file, "--out", self.out)
        self.assertEqual(status, 0, printed)
        self.assertEqual(inputs(self.out / "sam/encoder.onnx"), ["image"])
        self.assertIn("orig_im_size", inputs(self.out / "sam/decoder.onnx"))
        status, _ = run("mobile-sam", "--checkpoint", file, "--out", self.out)
        self.assertIn("already there", status)

    def test_grounding_dino_from_a_hugging_face_folder_in_both_layouts(self):
        folder = self.folder / "grounding-dino-tiny"
        folder.mkdir()
        words = small.tokenizer(folder)
        words.save_pretrained(folder)
        small.grounding_dino(1, len(words)).save_pretrained(folder)
        for layout, first in (("huggingface", "pixel_values"), ("original", "img")):
            with mock.patch.object(export, "detector_size", lambda *_: (96, 128)):
                status, printed = run(
                    "grounding-dino", "--checkpoint", folder, "--out", self.out, "--layout", layout, "--replace"
                )
            self.assertEqual(status, 0, printed)
            self.assertEqual(inputs(self.out / "grounding_dino/model.onnx")[0], first)
        self.assertTrue((self.out / "grounding_dino/vocab.txt").read_text().splitlines()[1012] == ".")

    def test_large_weights_lie_beside_the_graph(self):
        graph = sam_original.graphs(small.original_sam(1))[0]
        with mock.patch.object(onnx_file, "MOST_INLINE_BYTES", 1000):
            onnx_file.write(graph, self.folder)
        names = sorted(file.name for file in self.folder.iterdir())
        self.assertEqual(names, ["encoder.onnx", "encoder.onnx.data"])
        modes = {file.stat().st_mode for file in self.folder.iterdir()}
        self.assertEqual(len(modes), 1)

    def test_sam_from_a_hugging_face_folder(self):
        folder = self.folder / "sam-vit-base"
        small.sam(1).save_pretrained(folder)
        status, printed = run("sam", "--checkpoint", folder, "--out", self.out)
        self.assertEqual(status, 0, printed)
        self.assertEqual(inputs(self.out / "sam/vision_encoder.onnx"), ["pixel_values"])

    def test_ram_from_a_checkpoint_with_what_training_left(self):
        model = small.ram(1)
        file = self.folder / "ram.pth"
        kept = {name.replace("tagging_head", "vision_multi"): value for name, value in model.state_dict().items()}
        kept["visual_encoder.layers.0.blocks.1.attn_mask"] = torch.zeros(1)
        kept["text_decoder.bert.weight"] = torch.zeros(1)
        torch.save({"model": kept, "epoch": 4}, file)
        printed = io.StringIO()
        with mock.patch.object(ram_export, "RamPlus", lambda: small.ram(2)), redirect_stdout(printed):
            loaded = ram_export.from_checkpoint(file)
        self.assertIn("text_decoder", printed.getvalue())
        image = torch.randn(1, 3, 96, 96)
        self.assertTrue(torch.equal(loaded(image), model(image)))

    def test_the_list_of_tags_has_the_checkpoints_length(self):
        tags, thresholds = self.folder / "tags.txt", self.folder / "thresholds.txt"
        tags.write_text("bolt\ntray\n")
        thresholds.write_text("0.65\n1.5\n")
        with self.assertRaisesRegex(ExportError, "2 lines, but the checkpoint has 3"):
            ram_export.lists(tags, thresholds, 3)
        with self.assertRaisesRegex(ExportError, "thresholds.txt:2: '1.5'"):
            ram_export.lists(tags, thresholds, 2)


class Refusals(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_another_networks_checkpoint(self):
        model = small.ram(1)
        tensors = model.state_dict()
        for change, sentence in (
            (lambda t: t.pop("fc.bias"), "1 tensors missing .first 'fc.bias'"),
            (lambda t: t.update({"fc.more": torch.zeros(1)}), "1 tensors unknown .first 'fc.more'"),
            (lambda t: t.update({"fc.bias": torch.zeros(2)}), r"fc.bias': \[2\], wanted \[1\]"),
        ):
            changed = dict(tensors)
            change(changed)
            with self.assertRaisesRegex(ExportError, sentence):
                checkpoint.load(model, changed, "file.pth")

    def test_files_that_are_no_checkpoints(self):
        text = self.folder / "page.pth"
        text.write_text("<html>")
        empty = self.folder / "empty.pth"
        torch.save({"model": {}}, empty)
        for file, sentence in (
            (text, "fetch it again"),
            (empty, "holds no tensors"),
            (self.folder / "none", "no such file"),
        ):
            with self.assertRaisesRegex(ExportError, sentence):
                checkpoint.read(file)

    def test_a_graph_that_differs_from_pytorch_leaves_nothing(self):
        class Frozen(torch.nn.Module):
            """Traces the size of its first example into the graph."""

            def forward(self, x):
                return x[:, : int(x.shape[1])] * int(x.shape[1])

        examples = [{"x": torch.ones(1, 3)}, {"x": torch.ones(1, 4)}]
        graph = onnx_file.Graph("model.onnx", Frozen(), examples, ["y"], {"x": {1: "n"}, "y": {1: "n"}})
        with self.assertRaisesRegex(ExportError, "y differs from PyTorch's"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export_files.write(self.folder / "models/ram", [graph], {})
        self.assertEqual(list((self.folder / "models").iterdir()), [])

    def test_masks_between_stops_are_the_librarys(self):
        own = grounding_dino.library.generate_masks_with_special_tokens_and_transfer_map
        for ids in (
            [101, 5, 1012, 6, 7, 1012, 102],
            [101, 5, 1029, 1012, 6, 102],
            [101, 102],
            [101, 5, 6, 1012, 102, 0, 0],
        ):
            ids = torch.tensor([ids])
            for ours, theirs in zip(
                grounding_dino.phrase_masks(ids), own(ids, torch.tensor(grounding_dino.STOPS)), strict=True
            ):
                self.assertTrue(torch.equal(ours, theirs), ids)


class Sizes(unittest.TestCase):
    def test_the_detectors_input_follows_the_cameras_image(self):
        self.assertEqual(export.detector_size(1600, 1200), (800, 1067))
        self.assertEqual(export.detector_size(1200, 1600), (1067, 800))
        self.assertEqual(export.detector_size(4000, 1000), (334, 1333))


if __name__ == "__main__":
    unittest.main()
