"""Tests of rule files: ``*.initrules-test.yaml`` says what a plan must look like."""
