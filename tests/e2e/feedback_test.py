"""Labels that come later: the accuracy of the neighbours' vote, over a restart."""

import json
import signal


def give(service, request_id, label):
    status, _, answer = service.request("POST", "/v1/feedback", json.dumps({"request_id": request_id, "label": label}).encode())
    return status, answer


def test_labels_give_the_votes_accuracy_and_survive_a_crash(server, fashion):
    right = 0
    for i, image in enumerate(fashion["in"][:20]):
        answer = server.score(image, stream="camera")
        labels = [n["label"] for n in answer["neighbours"]]
        vote = max(labels, key=lambda label: (labels.count(label), -labels.index(label)))
        status, judged = give(server, answer["request_id"], image.parent.name)
        assert status == 200 and judged["predicted"] == vote and judged["correct"] == (vote == image.parent.name)
        right += judged["correct"]
        assert judged["accuracy"]["labels"] == i + 1
    accuracy = judged["accuracy"]
    assert accuracy["rate"] == right / 20 >= 0.6 and accuracy["lower"] < accuracy["rate"] <= accuracy["upper"]
    server.stop(signal.SIGKILL)
    server.start()
    assert server.get("/v1/feedback")["streams"] == [accuracy]


def test_a_label_counts_once_and_needs_an_image(server, fashion):
    answer = server.score(fashion["in"][0])
    assert give(server, answer["request_id"], "bag")[1]["accuracy"]["labels"] == 1
    assert give(server, answer["request_id"], "bag")[1]["accuracy"]["labels"] == 1
    assert give(server, answer["request_id"], "boot")[0] == 409
    assert give(server, "nope", "bag")[0] == 404
    assert give(server, answer["request_id"], "")[0] == 400
    assert server.request("POST", "/v1/feedback", b"[]")[0] == 400
