# The same as the scripts, for those whose fingers know make.
.PHONY: demo test lint bench docker clean
demo:
	./scripts/demo
test:
	./scripts/test
lint:
	./scripts/lint
bench:
	.venv/bin/python tests/bench/detection.py
docker:
	docker build -t driftd .
clean:
	rm -rf build demo-data
